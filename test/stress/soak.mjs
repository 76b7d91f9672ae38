// One server under everything at once: trainings in its process and in processes of their own, streams, swaps of chat
// vectors over HTTP, clients that leave, and bad input. Every answer must be that of the request alone, on the weights
// without or with the chat vector; every training must give the bytes of the first.
//   node test/stress/soak.mjs [--minutes 60] [--clients 8] [--seed N]
// prints a line a minute to stderr and one line of figures at the end; the exit code is 1 where something was not right.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { slope } from '../helpers/process_state.mjs'
import { asked, chatModel } from '../helpers/served.mjs'
import { inLanes, random, sleep, withDeadline } from '../helpers/stress.mjs'
import { writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'
import { badRequests, requests, said, streamed } from './traffic.mjs'

const PROGRAM = fileURLToPath(new URL('soak_server.mjs', import.meta.url))

/** Runs it below `home`; resolves with all figures. `onMinute(counts)` hears how far it is. */
export async function soak({ home, seconds, clients, seed, onMinute = () => {} }) {
  const below = (
    (draw) => (n) =>
      Math.floor(draw() * n)
  )(random(seed))
  const server = await startServer(home, { seconds, seed })
  try {
    const traffic = new Traffic(server.url, below)
    await traffic.learnAnswers()
    const end = performance.now() + 1000 * seconds
    const minutes = setInterval(() => onMinute(traffic.counts), 60_000)
    const going = async (step) => {
      while (performance.now() < end && !server.failed) await step()
    }
    const swaps = async () => {
      await sleep(below(1000))
      await traffic.swap()
    }
    await Promise.all([going(swaps), inLanes(clients, clients, () => going(() => traffic.ask()))])
    clearInterval(minutes)
    const told = await server.end()
    return {
      ...told,
      counts: traffic.counts,
      mismatches: told.mismatches + traffic.mismatches.length,
      seconds,
      seed,
    }
  } finally {
    server.kill()
  }
}

async function startServer(home, { seconds, seed }) {
  mkdirSync(home, { recursive: true })
  const folder = (name) => join(home, name)
  await writeTinyEncoder(folder('encoder'))
  const tiny = await chatModel(home, 'tiny')
  const [base, chat] = await Promise.all(
    [2, 3].map((seed) => writeTinyModel(folder(`model-${seed}`), { seed })),
  )
  const training = { ...(await tinyTraining(folder('training'), { steps: 30 })), eval: undefined }
  const models = { tiny, encoder: folder('encoder') }
  const options = { home, models, delta: { base, chat }, training, seed, seconds }
  const child = fork(PROGRAM, [JSON.stringify(options)], { execArgv: ['--expose-gc'] })
  const state = { failed: undefined }
  const exited = once(child, 'exit').then(([code, signal]) => {
    state.failed = `the server ended: ${code ?? signal}`
    return { code, signal }
  })
  const message = async (what, ms) => {
    const early = exited.then(() => assert.fail(state.failed))
    const [heard] = await withDeadline(Promise.race([once(child, 'message'), early]), what, ms)
    return heard
  }
  const { url } = await message('the start of the server', 120_000)
  return {
    url,
    get failed() {
      return state.failed
    },
    async end() {
      child.send('end')
      const told = await message('the end of the server', 120_000)
      assert.deepEqual(await withDeadline(exited, 'the exit of the server'), { code: 0, signal: null })
      return told
    },
    kill: () => child.kill('SIGKILL'),
  }
}

/** What clients do, and what came of it. */
class Traffic {
  counts = { answers: 0, streams: 0, cancels: 0, refused: 0, swaps: 0 }
  mismatches = []
  #expected = []

  constructor(url, below) {
    Object.assign(this, { url, below })
    this.requests = requests(below, { choices: 1 })
    this.bad = badRequests(below)
  }

  /** Of each request alone, without and with the chat vector. */
  async learnAnswers() {
    const all = () => Promise.all(this.requests.map(([path, body]) => this.#answer(path, body)))
    const plain = await all()
    await this.swap()
    const grafted = await all()
    await this.swap()
    this.#expected = plain.map((hash, i) => [hash, grafted[i]])
  }

  async #answer(path, body) {
    const { status, json, text } = await asked(this.url, path, { body })
    assert.equal(status, 200, text)
    return said(json)
  }

  #check(i, hash) {
    if (!this.#expected[i].includes(hash)) this.mismatches.push(i)
  }

  async ask() {
    const i = this.below(this.requests.length)
    const [path, body] = this.requests[i]
    const chance = this.below(100)
    const streams = path !== '/v1/embeddings'
    if (chance < 10) {
      const [path, body, status] = this.bad[this.below(this.bad.length)]
      assert.equal((await asked(this.url, path, { body })).status, status, path)
      this.counts.refused++
    } else if (chance < 25 && streams) {
      await streamed(this.url, [path, { ...body, max_tokens: 150, stop: [] }], 1 + this.below(20))
      this.counts.cancels++
    } else if (chance < 60 && streams) {
      this.#check(i, await streamed(this.url, this.requests[i]))
      this.counts.streams++
    } else {
      this.#check(i, await this.#answer(path, body))
      this.counts.answers++
    }
  }

  /** Puts the chat vector on, or takes it off. */
  async swap() {
    const on = this.counts.swaps++ % 2 === 0
    const body = on ? { delta: 'manners', scale: 0.5 } : undefined
    const { status, text } = await asked(this.url, '/v1/models/tiny/graft', {
      body,
      method: on ? 'PUT' : 'DELETE',
    })
    assert.equal(status, 200, text)
  }
}

/** One line of figures. */
export function summary({ counts, trainings, late, samples, mismatches, seconds, seed }) {
  const { value, margin } = slope(samples.map(({ second, resident_bytes }) => [second, resident_bytes]))
  const hourly = (bytes) => ((3600 * bytes) / 1e6).toFixed(2)
  const [first, last] = [samples[0], samples.at(-1)]
  const { answers, streams, cancels, refused, swaps } = counts
  return [
    `soak of ${(seconds / 60).toFixed(1)} min (seed ${seed}): ${answers + streams} requests (${streams} streams)`,
    `${cancels} cancels, ${refused} refused, ${swaps} swaps`,
    `${trainings.here} trainings in the process, ${trainings.own} in their own, ${trainings.stopped} stopped`,
    `${mismatches} mismatches`,
    `loop late by p50 ${late[50].toFixed(1)} ms, p99 ${late[99].toFixed(1)} ms, max ${late[100].toFixed(1)} ms`,
    `RSS ${first.resident_bytes >> 20} -> ${last.resident_bytes >> 20} MiB, slope ${hourly(value)} MB/h, upper 95 % bound ${hourly(value + margin)}`,
    `${first.threads} -> ${last.threads} threads, ${first.open_files} -> ${last.open_files} files`,
  ].join('; ')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = { type: 'string' }
  const { values } = parseArgs({ options: { minutes: text, clients: text, seed: text } })
  const { minutes = 60, clients = 8, seed = Date.now() % 1e6 } = values
  const home = mkdtempSync(join(tmpdir(), 'tongueforge-soak-'))
  try {
    const options = { home, seconds: 60 * Number(minutes), clients: Number(clients), seed: Number(seed) }
    const onMinute = (counts) =>
      process.stderr.write(`${new Date().toISOString()} ${JSON.stringify(counts)}\n`)
    const figures = await soak({ ...options, onMinute })
    process.stdout.write(`${summary(figures)}\n`)
    process.exitCode = figures.mismatches === 0 ? 0 : 1
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
