// The table of jobs has all that native code does: each kind runs, twice to the same end, and together they start every
// job of the addon. A new export that no kind starts fails here: add a row to one of the files beside this one.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { native } from '#lib/native'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { KINDS, open, SHORT } from './index.mjs'
import { writeInputs } from './inputs.mjs'

/** Jobs that no kind starts, and why. */
const ELSEWHERE = {
  joinGroup: 'several processes: test/verbs/train_together_faults.test.mjs',
  groupPost: 'several processes',
  groupAwait: 'several processes',
  leaveGroup: 'several processes',
  trainSendState: 'several processes',
  describeGpu: 'GPU',
  matmulRate: 'GPU, and the figures of a training on the CPU that asks for them',
  keepFolder: 'when one is aborted: abort_any.test.mjs',
  discardFolder: 'when one is aborted',
  mergeMethods: 'the table of methods, for test/library.test.mjs',
  resample: 'for comparisons in test/parity; making frames does it too',
  trainGradients: 'for comparisons with torch in test/parity',
  usePackedLayers: 'needs a quantised model: test/verbs/compress_quantize.test.mjs',
}

/** The names of the exports that return {id, promise}: the interfaces ...Jobs of lib/native. */
function jobNames() {
  const addon = native()
  const source = readFileSync(new URL('../../../lib/native.ts', import.meta.url), 'utf8')
  const calls = source.split('interface NativeCalls {')[1].split(/^}/m)[0]
  const synchronous = [...calls.matchAll(/^ {2}(\w+)[(:]/gm)].map(([, name]) => name)
  return Object.keys(addon).filter((name) => !synchronous.includes(name))
}

const home = temporaryFolder()

describe('the table of jobs', () => {
  const started = new Set()
  let inputs
  const restored = []

  before(async () => {
    inputs = await writeInputs(home)
    const addon = native()
    for (const name of jobNames()) {
      const job = addon[name]
      addon[name] = (...args) => {
        started.add(name)
        return job(...args)
      }
      restored.push(() => {
        addon[name] = job
      })
    }
  })

  for (const kind of KINDS)
    test(kind, async () => {
      const { once, close } = await open(kind, inputs)
      const first = await once()
      const again = await once()
      if (kind !== 'step') assert.deepEqual(again, first)
      await close()
    })

  test('short kinds are kinds', () =>
    assert.deepEqual(
      SHORT.filter((kind) => !KINDS.includes(kind)),
      [],
    ))

  test('every job of the addon is started by one of them', () => {
    const missing = jobNames().filter((name) => !started.has(name) && !(name in ELSEWHERE))
    assert.deepEqual(missing, [])
    assert.deepEqual(
      Object.keys(ELSEWHERE).filter((name) => started.has(name)),
      [],
      'no longer left out',
    )
  })

  after(() => {
    for (const restore of restored) restore()
  })
})
