// One bit of a checkpoint that is another: found before use, wherever it lies, and the checkpoint before is taken.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Checkpoints } from '#lib/verbs/training/checkpoints'
import { newState } from '#lib/verbs/training/state'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { random, report, rounds, seed } from '../../helpers/stress.mjs'

test('a flipped bit anywhere in a checkpoint is found, and the one before is taken', async (t) => {
  const run = temporaryFolder()
  const draw = random(seed)
  const checkpoints = new Checkpoints(run, {
    keep: 2,
    keepBest: 0,
    configHash: 'ab'.repeat(32),
    environment: {},
  })
  const weights = Buffer.from(Array.from({ length: 3000 }, () => Math.floor(256 * draw())))
  const writer = {
    saveState: async (folder) => writeFileSync(join(folder, 'state.safetensors'), weights),
  }
  for (const step of [1, 2])
    await checkpoints.save(writer, { ...newState(), step, evaluations: [{ step, loss: 1.25 + step }] })
  const damaged = []
  const newest = () => checkpoints.newest((message) => damaged.push(message))
  assert.equal((await newest()).step, 2)
  const folder = join(run, 'checkpoints/step-00000002')
  const files = readdirSync(folder).map((name) => join(folder, name))
  const count = rounds({ quick: 200, full: 1000 })
  for (let i = 0; i < count; i++) {
    // Each file as often, so that the small ones are met too.
    const file = files[i % files.length]
    const bit = Math.floor(draw() * 8 * statSync(file).size)
    const bytes = readFileSync(file)
    bytes[bit >> 3] ^= 1 << (bit & 7)
    writeFileSync(file, bytes)
    const what = `${file}: bit ${bit}, seed ${seed}`
    assert.equal((await newest()).step, 1, what)
    assert.match(damaged.pop(), /step-00000002 is damaged and was passed over/, what)
    bytes[bit >> 3] ^= 1 << (bit & 7)
    writeFileSync(file, bytes)
  }
  assert.equal((await newest()).step, 2)
  report(t, `${count} bits of ${files.length} files, each found`)
})
