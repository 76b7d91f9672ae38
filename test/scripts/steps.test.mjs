import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { compilerJobs } from '../../scripts/steps.mjs'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

test('CMAKE_BUILD_PARALLEL_LEVEL says how many compilers run at a time', (t) => {
  const before = process.env.CMAKE_BUILD_PARALLEL_LEVEL
  t.after(() => {
    if (before === undefined) delete process.env.CMAKE_BUILD_PARALLEL_LEVEL
    else process.env.CMAKE_BUILD_PARALLEL_LEVEL = before
  })
  process.env.CMAKE_BUILD_PARALLEL_LEVEL = '7'
  assert.equal(compilerJobs(), 7)
  delete process.env.CMAKE_BUILD_PARALLEL_LEVEL
  assert.ok(compilerJobs() >= 1)
})

/** A script of three commands in a row, in a group of its own, as a terminal has it; resolves with what it ended with. */
async function stopped(signal, toGroup) {
  const steps = JSON.stringify(pathToFileURL(join(clone, 'scripts/steps.mjs')).href)
  const waits = `console.log('begun'); process.on('SIGINT', () => process.exit(0)); setTimeout(() => {}, 60_000)`
  const script = `import { hand, runScript } from ${steps}
    await runScript(async () => {
      for (let i = 0; i < 3; i++) await hand(process.execPath, ['-e', ${JSON.stringify(waits)}])
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { detached: true })
  const told = { out: '', err: '' }
  child.stderr.on('data', (chunk) => {
    told.err += chunk
  })
  child.stdout.on('data', (chunk) => {
    told.out += chunk
    // Had it not stopped, the next command would say so, and be stopped too: the test ends in any case.
    setTimeout(() => process.kill(toGroup ? -child.pid : child.pid, signal), 100)
  })
  const [code] = await once(child, 'close')
  return { code, ...told }
}

test('Ctrl-C ends a script of several commands, also where the command that runs takes it for a good end', async () => {
  assert.deepEqual(await stopped('SIGINT', true), { code: 130, out: 'begun\n', err: '' })
  assert.deepEqual(await stopped('SIGTERM', false), { code: 143, out: 'begun\n', err: '' })
})

test('a script that is called through a symbolic link runs', () => {
  const folder = temporaryFolder()
  symlinkSync(clone, join(folder, 'link'))
  const script = join(folder, 'link', 'scripts', 'fuzz.mjs')
  const { status, stderr } = spawnSync(process.execPath, [script, '--target', 'none'], { encoding: 'utf8' })
  assert.match(stderr, /--target: expected one of/)
  assert.equal(status, 1)
})
