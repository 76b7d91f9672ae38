// Every folder of golden/encoder against what transformers said about it (golden/encoder/make_golden.py).
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkEncoder } from '../helpers/encoder_parity.mjs'
import { checkMaskedTraining } from '../helpers/training_parity.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'encoder')
const cases = readdirSync(golden).filter((name) => existsSync(join(golden, name, 'expected.safetensors')))
const trained = cases.filter((name) => existsSync(join(golden, name, 'training.safetensors')))

test('the golden encoders are there', () => {
  assert.ok(cases.length >= 15, `found ${cases.length}`)
  assert.ok(trained.length >= 2, `found ${trained.length} with a training`)
})

for (const name of cases) test(`${name} answers as transformers does`, (t) => checkEncoder(t, join(golden, name)))
for (const name of trained)
  test(`${name} learns hidden words as torch does`, (t) => checkMaskedTraining(t, join(golden, name)))
