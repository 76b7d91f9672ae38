// Processes of a training that die, hang, fail or never come: named by the others, and nothing is half written.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { main } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { halfMade, ranksOf, trainTogether, updatesOf } from '../helpers/processes.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const home = temporaryFolder()
const config = {
  ...(await tinyTraining(home, { steps: 1_000_000 })),
  ...{ batch_size: 3, accumulation: 1, eval: undefined },
  checkpoint: { every: 2 },
}
let runs = 0
const newRun = (changes = {}) => ({ ...config, ...changes, out: join(home, `run-${runs++}`) })

/** Does something to a rank once updates were taken. */
const afterUpdates = (run, act) => async (launcher) => {
  await updatesOf(run, 4)
  act(ranksOf(launcher))
}

for (const victim of [1, 0]) {
  test(`a killed process, rank ${victim}, is named by the others; the run goes on from its checkpoint`, async () => {
    const run = newRun()
    let killed
    const { code, out, err } = await trainTogether(home, 3, run, {
      onStart: afterUpdates(run, (ranks) => {
        killed = { pid: ranks[victim], time: performance.now() }
        process.kill(killed.pid, 'SIGKILL')
      }),
    })
    const seconds = (performance.now() - killed.time) / 1000
    assert.equal(code, 1)
    assert.match(err, new RegExp(`rank ${victim} \\(process ${killed.pid}\\) ended by SIGKILL`))
    for (const rank of [0, 1, 2].filter((rank) => rank !== victim)) {
      const named = `rank ${victim} \\([^)]*, process ${killed.pid}\\) is gone or hangs`
      const prefix = rank === 0 ? '"' : `rank ${rank}: ` // of one JSON document: rank 0 names no rank
      assert.match(out + err, new RegExp(`${prefix}Expected all processes to go on together: ${named}`))
    }
    assert.ok(seconds < 20, `${seconds} s`)
    assert.equal(existsSync(join(run.out, 'model')), false)
    for await (const { step } of train(run, { resume: true })) {
      assert.ok(step > 2, 'it goes on where a checkpoint was')
      break
    }
    assert.deepEqual(halfMade(run), [])
  })
}

test('a process that stands still is named after the time-out', async () => {
  const run = newRun({ distributed: { timeout_seconds: 4 } })
  let stopped
  const { code, out } = await trainTogether(home, 2, run, {
    onStart: afterUpdates(run, (ranks) => {
      stopped = { pid: ranks[1], time: performance.now() }
      process.kill(stopped.pid, 'SIGSTOP')
      setTimeout(() => process.kill(stopped.pid, 'SIGKILL'), 12_000)
    }),
  })
  assert.equal(code, 1)
  assert.match(
    out,
    new RegExp(`rank 1 \\([^)]*, process ${stopped.pid}\\) is gone or hangs: it was last heard of`),
  )
})

test('a process that never comes is named by those that wait', async () => {
  const file = join(home, 'two.json')
  writeFileSync(file, JSON.stringify(newRun({ distributed: { timeout_seconds: 2 } })))
  const port = await freePort()
  const env = { WORLD_SIZE: '3', MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(port) }
  const told = await Promise.all(['0', '2'].map((RANK) => ended(file, { ...env, RANK })))
  for (const { code, err } of told) {
    assert.equal(code, 1)
    assert.match(err, /Expected 3 processes at 127.0.0.1:\d+, and rank 1 has not come within 2 s/)
    assert.match(err, /hint: .*distributed.timeout_seconds/)
  }
})

test('a port that another program has is named', async () => {
  const server = createServer()
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  const file = join(home, 'taken.json')
  writeFileSync(file, JSON.stringify(newRun()))
  const MASTER_PORT = String(server.address().port)
  const { code, err } = await ended(file, {
    WORLD_SIZE: '2',
    RANK: '0',
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT,
  })
  server.close()
  assert.equal(code, 1)
  assert.match(
    err,
    new RegExp(
      `Expected a free port for the processes to meet at, and 127.0.0.1:${MASTER_PORT} cannot be served`,
    ),
  )
})

test('a network interface that is none is named, to the others too', async () => {
  const file = join(home, 'interface.json')
  writeFileSync(file, JSON.stringify(newRun({ distributed: { timeout_seconds: 6 } })))
  const env = { WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(await freePort()) }
  const [first, second] = await Promise.all([
    ended(file, { ...env, RANK: '0' }),
    ended(file, { ...env, RANK: '1', GLOO_SOCKET_IFNAME: 'nosuch0' }),
  ])
  const said = "Expected a network interface of this host in GLOO_SOCKET_IFNAME, received 'nosuch0'"
  assert.deepEqual([first.code, second.code], [1, 1])
  assert.ok(second.err.includes(said), second.err)
  assert.match(second.err, /hint: .*ip address/)
  assert.match(first.err, /rank 1 .* has ended with ERR_DISTRIBUTED: Expected a network interface/)
})

function freePort() {
  const server = createServer()
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    }),
  )
}

/** One process, as a launcher of another kind would start it. */
function ended(file, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, 'train', file], { env: { ...process.env, ...env } })
    let err = ''
    child.stderr.on('data', (text) => {
      err += text
    })
    child.on('close', (code) => resolve({ code, err }))
  })
}
