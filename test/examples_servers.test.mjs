// The programs of examples/ that listen: each is started, asked, and told to end.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { clone } from './helpers/cli.mjs'
import { temporaryFolder } from './helpers/folders.mjs'
import { withDeadline } from './helpers/stress.mjs'
import { writeTinyModel } from './helpers/tiny_model.mjs'
import { tinyTraining } from './helpers/tiny_training.mjs'

const root = temporaryFolder()
const servers = []
after(() => {
  for (const server of servers) server.kill('SIGKILL')
})

/** Starts a program that prints its address first; `end(signal)` resolves with how it ended. */
async function start(...args) {
  const child = spawn(process.execPath, args, { cwd: clone, stdio: ['ignore', 'pipe', 'inherit'] })
  servers.push(child)
  const ended = once(child, 'exit')
  const [address] = await withDeadline(once(createInterface(child.stdout), 'line'), args[0])
  const end = async (signal) => {
    child.kill(signal)
    const [code, by] = await withDeadline(ended, `the end of ${args[0]}`)
    return { code, signal: by }
  }
  return { address: address.replace(/\/$/, ''), end }
}

test('fastify_server.mjs streams answers, refuses what it cannot answer, and ends in order', async () => {
  const model = await writeTinyModel(join(root, 'model'))
  const { address, end } = await start('examples/fastify_server.mjs', model, '0')
  const ask = (body, options) =>
    fetch(`${address}/ask`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...options,
    })
  const question = 'what is the color of anna ?'
  const answers = await Promise.all([1, 2, 3].map(async () => (await ask({ question })).text()))
  assert.ok(answers[0].length > 0)
  assert.deepEqual(answers, Array(3).fill(answers[0]), 'greedy, and none mixed with another')
  assert.equal((await ask({ questions: 3 })).status, 400)
  const long = await ask({ question: 'the color '.repeat(150) })
  assert.equal(long.status, 413)
  assert.equal((await long.json()).error.code, 'ERR_CONTEXT')
  const left = await ask({ question }, { signal: AbortSignal.timeout(1) }).catch((error) => error.name)
  assert.ok(left === 'TimeoutError' || left.status === 200)
  const stats = await (await fetch(`${address}/stats`)).json()
  assert.ok(stats.new_tokens >= 3)
  assert.deepEqual(await end('SIGTERM'), { code: 0, signal: null })
})

/** Events of a server, until `enough(event)`. */
async function eventsOf(address, enough) {
  const stop = new AbortController()
  const { body } = await fetch(`${address}/events`, { signal: stop.signal })
  const events = []
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const parts = (text + chunk).split('\n\n')
    text = parts.pop()
    for (const part of parts) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(part)
      events.push({ event, data: JSON.parse(data) })
      if (!enough(events.at(-1))) continue
      stop.abort()
      return events
    }
  }
  return events
}

test('live_chart.mjs shows a training whose server is killed and started again, to its end', async () => {
  const config = join(root, 'config.yaml')
  const out = join(root, 'run')
  const steps = 60
  const { eval: _, ...training } = await tinyTraining(join(root, 'training'), { steps })
  writeFileSync(config, JSON.stringify({ ...training, out: 'elsewhere' }))
  const args = ['examples/live_chart.mjs', config, out, '0']

  const first = await start(...args)
  assert.match(await (await fetch(first.address)).text(), /<polyline/)
  await withDeadline(
    eventsOf(first.address, ({ data }) => data.step === 5),
    'five steps',
  )
  assert.equal((await first.end('SIGKILL')).signal, 'SIGKILL')

  const second = await start(...args)
  const events = await withDeadline(
    eventsOf(second.address, ({ event }) => event === 'end'),
    'the end',
  )
  const seen = events.filter(({ event }) => event === 'step').map(({ data }) => data.step)
  assert.deepEqual(
    seen,
    Array.from({ length: steps }, (_, i) => i + 1),
  )
  assert.equal(events.at(-1).data, `done: ${join(out, 'model')}`)
  const { sessions } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))
  assert.equal(sessions.length, 1, 'the training was not started again')
  const stopped = await fetch(`${second.address}/stop`, { method: 'POST' })
  assert.equal(await stopped.text(), 'stopped\n')
  await second.end('SIGTERM')
})
