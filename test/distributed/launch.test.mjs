import assert from 'node:assert/strict'
import childProcess from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { environmentsOf, launch } from '#lib/distributed/launch'
import { rendezvous } from '#lib/distributed/rendezvous'
import { temporaryFolder } from '../helpers/folders.mjs'

test('the processes of one host meet at a free port of it, and share its cores out', async () => {
  const all = await environmentsOf({ PATH: '/bin', TORCHELASTIC_USE_AGENT_STORE: 'True' }, 2)
  const places = all.map(rendezvous)
  assert.deepEqual(
    places.map(({ rank, world_size, local_rank, serves_store }) => [
      rank,
      world_size,
      local_rank,
      serves_store,
    ]),
    [
      [0, 2, 0, true],
      [1, 2, 1, false],
    ],
  )
  assert.equal(places[0].port, places[1].port)
  assert.equal(places[0].address, '127.0.0.1')
  assert.equal(all[0].PATH, '/bin')
  assert.equal(all[0].OMP_NUM_THREADS, String(Math.max(1, Math.floor(availableParallelism() / 2))))
  const [told] = await environmentsOf({ OMP_NUM_THREADS: '7' }, 2)
  assert.equal(told.OMP_NUM_THREADS, '7')
})

test('hosts that know of each other have as many processes each', async () => {
  const host = { WORLD_SIZE: '3', RANK: '1', MASTER_ADDR: 'first', MASTER_PORT: '4000' }
  const places = (await environmentsOf(host, 2)).map(rendezvous)
  assert.deepEqual(
    places.map(({ rank, world_size, local_rank, address, port }) => [
      rank,
      world_size,
      local_rank,
      address,
      port,
    ]),
    [
      [2, 6, 0, 'first', 4000],
      [3, 6, 1, 'first', 4000],
    ],
  )
})

const run = (script, { processes = 2, signal = new AbortController().signal } = {}) => {
  const said = []
  const command = [process.execPath, '-e', script]
  const ended = launch({ processes, command, env: process.env, signal, say: (line) => said.push(line) })
  return ended.then((code) => ({ code, said }))
}

test('it ends with the exit code of the first that failed, and 1 where that was killed', async () => {
  assert.deepEqual(await run(''), { code: 0, said: [] })
  const failed = await run('setTimeout(() => process.exit(3 * process.env.RANK), 500 * process.env.RANK)')
  assert.equal(failed.code, 3)
  assert.match(failed.said.join(), /^rank 1 \(process \d+\) ended with exit code 3$/)
  const killed = await run("if (process.env.RANK === '0') process.kill(process.pid, 'SIGKILL')")
  assert.equal(killed.code, 1)
  assert.match(killed.said.join(), /^rank 0 \(process \d+\) ended by SIGKILL$/)
})

/** Counts the SIGTERMs that it hears, and ends by itself: with 75 after one, 9 after more. */
const listening = (folder) => `
  let heard = 0
  process.on('SIGTERM', () => { heard++; setTimeout(() => process.exit(heard === 1 ? 75 : 9), 300) })
  setInterval(() => {}, 1000)
  require('node:fs').writeFileSync(${JSON.stringify(folder)} + '/' + process.env.RANK, '')`

const asks = {
  'what its signal says': (stop) => stop.abort(),
  SIGQUIT: () => process.kill(process.pid, 'SIGQUIT'),
  SIGHUP(stop) {
    process.kill(process.pid, 'SIGHUP') // of a terminal that goes; whoever ends its session may ask, too
    stop.abort()
  },
}
for (const [name, ask] of Object.entries(asks)) {
  test(`${name} is passed on to all, once`, async () => {
    const [stop, folder] = [new AbortController(), temporaryFolder()]
    const ended = run(listening(folder), { signal: stop.signal })
    while (readdirSync(folder).length < 2) await setTimeout(50)
    ask(stop)
    const { code, said } = await ended
    assert.equal(code, 75)
    assert.equal(said.length, 2)
    assert.equal(process.listenerCount('SIGHUP'), 0)
  })
}

test('where one cannot be started, the others are waited for', async (t) => {
  const { spawn } = childProcess
  for (const fail of [
    (options) => spawn('/nowhere', [], options),
    () => {
      throw new Error('spawn ENOMEM')
    },
  ]) {
    const begun = []
    t.mock.method(childProcess, 'spawn', (program, args, options) => {
      if (options.env.RANK === '1') return fail(options)
      begun.push(spawn(program, args, options))
      return begun.at(-1)
    })
    const { code, said } = await run('setTimeout(() => process.exit(0), 500)')
    t.mock.restoreAll()
    assert.equal(code, 1)
    assert.match(said.join(), /^rank 1 could not be started: spawn /)
    assert.equal(begun[0].exitCode, 0)
  }
})
