// Native work that finds no memory, at any of its allocations, fails as ERR_OUT_OF_MEMORY: the process lives, the next job
// is right, and nothing is left behind.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { report, rounds, runProgram } from '../helpers/stress.mjs'
import { KINDS } from './jobs/index.mjs'
import { writeInputs } from './jobs/inputs.mjs'

const QUICK = ['load', 'score', 'step', 'hear', 'train on sound', 'merge']
/** Failures of each kind, of all kinds: TONGUEFORGE_FAILURES says a number. */
const FAILURES = Number(process.env.TONGUEFORGE_FAILURES)
const kinds = FAILURES ? KINDS : rounds({ quick: QUICK, full: KINDS })
const LEAST = rounds({ quick: 16_384, full: 1024 }) // bytes
const MOST = FAILURES || rounds({ quick: 6, full: 10_000 })
const home = temporaryFolder()
const shim = join(home, 'failing_memory.so')
const control = join(home, 'control')

describe(`allocations of ${LEAST} bytes and more fail`, {
  skip: process.platform !== 'linux' && 'Linux only',
}, () => {
  let inputs
  before(async () => {
    execFileSync('cc', [
      '-shared',
      '-fPIC',
      '-O1',
      '-o',
      shim,
      join(clone, 'test/stress/failing_memory.c'),
      '-ldl',
    ])
    writeFileSync(control, new Uint8Array(40))
    inputs = await writeInputs(home)
    Object.assign(process.env, { LD_PRELOAD: shim, FAIL_MEMORY: control })
  })
  after(() => {
    delete process.env.LD_PRELOAD
  })

  for (const kind of kinds)
    for (const [name, times] of [
      ['once', 1],
      ['from there on', 2 ** 50],
    ])
      test(`${kind}: one after another, ${name}`, async (t) => {
        const options = { kind, inputs, least: LEAST, times, most: MOST }
        const settings = { deadline: 3_600_000, nodeOptions: ['--expose-gc'] }
        const { failures, survived, other_bits, codes, calls, example, held } = await runProgram(
          'failing_memory.mjs',
          options,
          settings,
        )
        report(
          t,
          `${failures} failures in ${calls} allocations: ${JSON.stringify(codes)}, ${survived} without effect, ${other_bits} numbers of other last bits`,
        )
        assert.deepEqual(
          Object.keys(codes).filter((code) => code !== 'ERR_OUT_OF_MEMORY'),
          [],
          example,
        )
        assert.deepEqual(held.after, held.before)
      })
})
