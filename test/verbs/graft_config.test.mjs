// What stands where in the result of a graft, and what its config.json says: head, dtype, what the models say differently.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { graft, loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays, readTensors } from '../helpers/safetensors.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const file = (folder) => join(folder, 'model.safetensors')
const weights = (folder) => readFileSync(file(folder))
const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

const root = temporaryFolder()
const [base, chat, target] = ['base', 'chat', 'target'].map((name) => join(root, name))
let made = 0
const out = () => join(root, `out-${made++}`)

before(async () => {
  for (const [folder, seed] of [
    [base, 1],
    [chat, 2],
    [target, 4],
  ])
    await writeTinyModel(folder, { seed })
})

test('residual is chat + scale * (target - base), with the small files of a graft', async () => {
  const { out: result } = await graft({ target, base, chat, scale: 0.7, residual: true, out: out() })
  const swapped = await graft({ target: chat, base, chat: target, scale: 0.7, out: out() })
  assert.ok(weights(result).equals(weights(swapped.out)))
  assert.deepEqual(json(result, 'tokenizer.json'), json(target, 'tokenizer.json'))
  assert.match(readFileSync(join(result, 'resolved.yaml'), 'utf8'), /residual: true/)
})

test('a tied target gets a head of its own where base and chat have one, and its config says so', async () => {
  const tied = join(root, 'tied')
  await writeTinyModel(tied, { seed: 9, tied: true })
  const report = await graft({ target: tied, base, chat, out: out() })
  assert.equal(report.unties_head, true)
  assert.equal(json(report.out, 'config.json').tie_word_embeddings, false)
  const [got, t, b, c] = [report.out, tied, base, chat].map((folder) => readArrays(file(folder)))
  const head = t['model.embed_tokens.weight'].data.map(
    (value, i) => value + Math.fround(c['lm_head.weight'].data[i] - b['lm_head.weight'].data[i]),
  )
  assert.deepEqual(got['lm_head.weight'].data, head)
  await (await loadModel(report.out)).dispose()
})

test('the config of a residual graft has the head and the dtype of its weights, which lie as the chat model has them', async () => {
  const [tied, narrow] = ['tied-target', 'narrow-chat'].map((name) => join(root, name))
  await writeTinyModel(tied, { seed: 9, tied: true })
  await writeTinyModel(narrow, { seed: 10, dtype: 'bfloat16' })
  const options = { target: tied, base, chat: narrow, residual: true }
  const report = await graft({ ...options, out: out() })
  assert.equal(report.unties_head, true)
  assert.equal((await graft({ ...options, out: out(), dryRun: true })).unties_head, true)
  const { tie_word_embeddings, torch_dtype } = json(report.out, 'config.json')
  assert.deepEqual(
    { tie_word_embeddings, torch_dtype },
    { tie_word_embeddings: false, torch_dtype: 'bfloat16' },
  )
  const tensors = readTensors(file(report.out))
  assert.ok(Object.values(tensors).every(({ dtype }) => dtype === 'BF16'))
  assert.ok('lm_head.weight' in tensors)
  await (await loadModel(report.out)).dispose()
  const untied = await graft({ target, base, chat: tied, residual: true, out: out() })
  assert.equal(untied.unties_head, false) // the target has a head of its own, and so has the result
  assert.equal(json(untied.out, 'config.json').tie_word_embeddings, false)
  await (await loadModel(untied.out)).dispose()
})

test('what configs say differently is told; heads that are cut otherwise are refused', async () => {
  const changed = async (name, changes) => {
    const folder = join(root, name)
    cpSync(chat, folder, { recursive: true })
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...json(chat, 'config.json'), ...changes }))
    return folder
  }
  const turned = await changed('turned', { rope_theta: 500000 })
  const heard = []
  const callbacks = { onWarning: (message) => heard.push(message) }
  const { warnings } = await graft({ target, base, chat: turned, out: out(), dryRun: true }, callbacks)
  assert.equal(warnings.length, 1)
  assert.match(warnings[0], /^rope: .*500000.* in chat; the result has .*10000.* of target$/)
  assert.deepEqual(heard, warnings)
  const cut = await changed('cut', { num_attention_heads: 8, num_key_value_heads: 8 })
  await assert.rejects(graft({ target, base, chat: cut, out: out() }), (error) => {
    assert.equal(error.code, 'ERR_SHAPE_MISMATCH')
    assert.match(error.message, /received num_heads 4 \(target\) and 8 \(chat\)/)
    return true
  })
})
