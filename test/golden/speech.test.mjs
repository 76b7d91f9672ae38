// Every folder of golden/speech against what transformers, or an independent MelHuBERT, said about it
// (golden/speech/make_golden.py).
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadModel } from 'tongueforge'
import { checkSpeech } from '../helpers/speech_parity.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'speech')
const cases = readdirSync(golden).filter((name) => existsSync(join(golden, name, 'expected.safetensors')))

test('the golden speech encoders are there', () => assert.ok(cases.length >= 17, `found ${cases.length}`))

for (const name of cases) test(`${name} hears as its reference does`, (t) => checkSpeech(t, join(golden, name)))

test('heads of other classes are not read, and named', async () => {
  const unread = async (name) => {
    const model = await loadModel(join(golden, name))
    await model.dispose()
    return [...model.unread].sort()
  }
  assert.deepEqual(await unread('hubert'), [])
  assert.deepEqual(await unread('hubert_ctc'), ['lm_head.bias', 'lm_head.weight'])
  const pretraining = await unread('wav2vec2_pretraining')
  for (const head of ['project_hid.weight', 'project_q.weight', 'quantizer.codevectors'])
    assert.ok(pretraining.includes(head), head)
})
