// The command that serves, asked by 64 clients at a time over real connections, some of which leave and some of which ask
// for what cannot be: every answer is that of the request alone, memory stays flat, and the event loop free.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { asked, chatModel } from '../helpers/served.mjs'
import { full, inLanes, random, report, rounds, seed, sleep, withDeadline } from '../helpers/stress.mjs'
import { writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { badRequests, requests, said, streamed } from './traffic.mjs'

const seconds = rounds({ quick: 3, full: 300 })
const CLIENTS = 64
const RESOLUTION = 10 // ms, of the timer by which the server watches its event loop
const LIMIT = 20 // ms, p99 of what the loop may be late
const GROWTH = 40e6 // bytes of RSS, which itself wanders

const draw = random(seed)
const below = (n) => Math.floor(draw() * n)
const REQUESTS = requests(below)
const BAD = badRequests(below)

describe(`serve under ${CLIENTS} clients for ${seconds} s (seed ${seed})`, () => {
  const root = temporaryFolder()
  let [url, child, ended] = []
  before(async () => {
    await writeTinyEncoder(join(root, 'encoder'))
    await chatModel(root)
    // 40 pages of the cache: fewer than 24 requests need, so that places are lost.
    const serving = [
      '--sequences',
      '24',
      '--queue',
      '128',
      '--cache',
      `${40 * 32 * 512}`,
      '--body-limit',
      '100kB',
    ]
    const folders = ['tiny', 'encoder'].map((name) => join(root, name))
    const onStart = (process) => {
      child = process
    }
    ended = cli(['serve', ...folders, '--port', '0', '--threads', '1', ...serving], { onStart })
    const [line] = await withDeadline(once(child.stdout, 'data'), 'the start of the server')
    url = line.trim()
  })

  after(() => child?.kill('SIGKILL')) // where a test has failed

  /** A figure of the server. */
  const figure = async (name) => {
    const { text } = await asked(url, '/metrics')
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)[1])
  }

  test('no crash, no cross-talk, flat memory, a free event loop', async (t) => {
    const alone = []
    for (const [path, body] of REQUESTS) {
      const { status, json, text } = await asked(url, path, { body })
      assert.equal(status, 200, text)
      alone.push(said(json))
    }
    const counts = { answered: 0, streamed: 0, left: 0, refused: 0 }
    const end = performance.now() + 1000 * seconds
    const once = async () => {
      const i = below(REQUESTS.length)
      const [path, body] = REQUESTS[i]
      const chance = draw()
      if (chance < 0.1) {
        const [path, body, status] = BAD[below(BAD.length)]
        assert.equal((await asked(url, path, { body })).status, status, path)
        counts.refused++
      } else if (chance < 0.2 && path !== '/v1/embeddings') {
        const hash = await streamed(url, [path, { ...body, max_tokens: 150, stop: [] }], 1 + below(20))
        counts[hash ? 'streamed' : 'left']++
      } else if (chance < 0.6 && path !== '/v1/embeddings') {
        assert.equal(await streamed(url, REQUESTS[i]), alone[i], `stream ${i} (seed ${seed})`)
        counts.streamed++
      } else {
        const { status, json, text } = await asked(url, path, { body })
        assert.equal(status, 200, text)
        assert.equal(said(json), alone[i], `request ${i} (seed ${seed})`)
        counts.answered++
      }
    }
    const client = async () => {
      while (performance.now() < end) await once()
    }
    const memory = []
    const watch = async () => {
      await sleep(250 * seconds)
      await figure('nodejs_eventloop_lag_p99_seconds') // from here on
      while (performance.now() < end) {
        memory.push(await residentOf(child.pid))
        await sleep(100 * seconds)
      }
      return 1000 * (await figure('nodejs_eventloop_lag_p99_seconds')) - RESOLUTION
    }
    const clients = inLanes(CLIENTS, CLIENTS, client)
    const [late] = await Promise.all([watch(), clients])
    const { running, waiting } = (await asked(url, '/health')).json
    assert.deepEqual({ running, waiting }, { running: 0, waiting: 0 })
    report(t, `${JSON.stringify(counts)}; loop of the server late by p99 ${Math.max(0, late).toFixed(1)} ms`)
    report(t, `RSS ${memory.map((bytes) => bytes >> 20).join(', ')} MiB`)
    child.kill('SIGTERM')
    const { code, err } = await withDeadline(ended, 'the end of the server')
    assert.equal(code, 0, err)
    assert.ok(
      Object.values(counts).every((count) => count > 0),
      JSON.stringify(counts),
    )
    if (!full) return
    assert.ok(memory.at(-1) - memory[0] < GROWTH, 'memory grows')
    assert.ok(late < LIMIT, `p99 ${late} ms`)
  })
})

/** Bytes of memory that a process holds. */
async function residentOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)[1])
}
