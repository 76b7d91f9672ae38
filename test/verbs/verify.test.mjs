import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { graft, verify } from 'tongueforge'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

/** Flips one bit of a file. */
function flip(file, at) {
  const bytes = readFileSync(file)
  bytes[at] ^= 1
  writeFileSync(file, bytes)
}

describe('verify', () => {
  const root = temporaryFolder()
  const [base, chat, target] = ['base', 'chat', 'target'].map((name) => join(root, name))
  const made = join(root, 'made')
  const copy = (name) => {
    cpSync(made, join(root, name), { recursive: true })
    return join(root, name)
  }

  before(async () => {
    for (const [i, folder] of [base, chat, target].entries())
      await writeTinyModel(folder, { seed: i + 1, width: 256 })
    const scale = { mlp: [0.2, 0.9], default: 0.5 }
    const sparsify = { method: 'ties', density: 0.5 }
    await graft({ target, base, chat, scale, sparsify, out: made })
  })

  test('a graft is what its inputs make, and all of it can be made again', async () => {
    const few = await verify(made, { chunks: 2 })
    assert.equal(few.ok, true)
    assert.equal(few.chunks_checked, 2)
    const all = await verify(made, { chunks: Number.POSITIVE_INFINITY })
    assert.equal(all.ok, true)
    assert.equal(all.chunks_checked, all.chunks)
    assert.deepEqual(all.mismatches, [])
    assert.deepEqual([...new Set(all.inputs.map(({ state }) => state))], ['same'])
  })

  test('a bit that flipped in the weights is found, with tensor and place', async () => {
    const damaged = copy('damaged')
    const file = join(damaged, 'model.safetensors')
    const at = readFileSync(file).length - 5
    flip(file, at)
    const { ok, mismatches } = await verify(damaged, { chunks: Number.POSITIVE_INFINITY })
    assert.equal(ok, false)
    assert.equal(mismatches.length, 1)
    assert.equal(mismatches[0].offset, at)
    assert.match(mismatches[0].tensor, /\.weight$/)
    const { code, out } = await cli(['verify', damaged, '--all', '--json'])
    assert.equal(code, 1)
    assert.deepEqual(JSON.parse(out).mismatches, mismatches)
  })

  test('an input that changed or went away is named', async () => {
    const [other, file] = [join(root, 'other'), join(chat, 'model.safetensors')]
    cpSync(file, other)
    flip(file, 5000)
    const { ok, inputs, notes } = await verify(made)
    assert.equal(ok, false)
    const changed = inputs.filter(({ state }) => state !== 'same')
    assert.deepEqual(
      changed.map(({ role, name, state }) => [role, name, state]),
      [['chat', 'model.safetensors', 'changed']],
    )
    assert.match(notes[0], /inputs have changed/)
    rmSync(file)
    const { inputs: later } = await verify(made)
    assert.equal(later.find(({ state }) => state === 'missing').path, chat)
    cpSync(other, file)
    assert.equal((await verify(made)).ok, true)
  })

  test('a folder that nobody vouches for is refused', async () => {
    await assert.rejects(verify(base), (error) => {
      assert.equal(error.code, 'ERR_NOT_FOUND')
      assert.match(error.message, /expected provenance\.json, found none/)
      return true
    })
    const strange = copy('strange')
    writeFileSync(join(strange, 'provenance.json'), '{"tool": "other"}')
    await assert.rejects(verify(strange), { code: 'ERR_DATA', message: /provenance\.json: tool/ })
    await assert.rejects(verify(made, { chunks: 0 }), { code: 'ERR_USAGE' })
  })
})
