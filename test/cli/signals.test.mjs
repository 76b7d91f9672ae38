import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { cli, clone, main } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

/** A small model without a tokenizer that never ends a text, with positions for a million tokens. */
const endless = join(temporaryFolder(), 'endless')
cpSync(join(clone, 'test/golden/decoder/qwen2'), endless, { recursive: true })
const config = JSON.parse(readFileSync(join(endless, 'config.json'), 'utf8'))
writeFileSync(join(endless, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: 2 ** 21 }))

/** A generation that would take hours. */
const LONG = ['generate', endless, '--prompt-ids', '1,2,3', '--max-new-tokens', '1000000']

/** Sends signals once the process has loaded libtorch, so that the run is under way. */
function interrupt(...signals) {
  return async (child) => {
    while (!readFileSync(`/proc/${child.pid}/maps`, 'utf8').includes('libtorch_cpu')) await setTimeout(50)
    await setTimeout(200)
    for (const signal of signals) child.kill(signal)
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  test(`${signal} ends a run that leaves nothing to resume with exit code 130`, async () => {
    const { code, err } = await cli(LONG, { onStart: interrupt(signal) })
    assert.equal(code, 130)
    assert.equal(err, `error: stopped by ${signal}\n`)
  })
}

test('under --json the interruption is one JSON document', async () => {
  const { code, out } = await cli([...LONG, '--json'], { onStart: interrupt('SIGINT') })
  assert.equal(code, 130)
  assert.equal(JSON.parse(out).error.code, 'ERR_INTERRUPTED')
})

test('a second signal ends the process at once, without a crash', async () => {
  const { code, signal } = await cli(LONG, { onStart: interrupt('SIGINT', 'SIGTERM') })
  assert.equal(code, 130)
  assert.equal(signal, null)
})

test('a terminal that is closed, which is told twice, leaves a command the time to end', async () => {
  const { code } = await cli(LONG, { onStart: interrupt('SIGHUP', 'SIGHUP') })
  assert.equal(code, 130)
})

test('launch whose terminal is closed leaves no process behind', async () => {
  let pids
  const { code, err } = await cli(['launch', '--processes', '2', '--', ...LONG], {
    onStart: async (child) => {
      const ranks = () =>
        readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')
      while (ranks().length < 2) await setTimeout(50)
      for (const pid of ranks()) await interrupt()({ pid })
      pids = ranks()
      child.kill('SIGHUP')
    },
  })
  assert.equal(code, 130, err)
  assert.deepEqual(
    pids.filter((pid) => existsSync(`/proc/${pid}`)),
    [],
  )
})

test('a stopped demo can go on: exit code 75, and the command that does it', async () => {
  const out = join(temporaryFolder(), 'demo')
  const begun = (child) =>
    child.stderr.on('data', (line) => {
      if (/training base/.test(line)) setTimeout(500).then(() => child.kill('SIGINT'))
    })
  const { code, err } = await cli(['demo', '--out', out], { onStart: begun })
  assert.equal(code, 75)
  assert.match(err, /hint: Go on with: npx tongueforge demo --out/)
  assert.ok(existsSync(join(out, 'runs/base/checkpoints')))
})

test('a reader that leaves early is no failure', async () => {
  const { code } = await cli(['--help'], { onStart: (child) => child.stdout.destroy() })
  assert.equal(code, 0)
})

test('a reader that is slow gets all of a long answer', async () => {
  const folder = await writeTinyModel(join(temporaryFolder(), 'deep'), { width: 16, layers: 200 })
  const command = [process.execPath, main, 'inspect', folder, '--json']
  const { stdout } = await promisify(execFile)('sh', ['-c', '"$0" "$@" | (sleep 1; cat)', ...command])
  assert.ok(stdout.length > 100_000, 'more than a pipe holds')
  assert.equal(JSON.parse(stdout).tensors.length, 200 * 9 + 3)
})
