// Gradients and ten AdamW steps of the golden decoders that come with them, against torch and transformers.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkTraining } from '../helpers/training_parity.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'decoder')
const cases = readdirSync(golden).filter((name) => existsSync(join(golden, name, 'training.safetensors')))

test('the golden trainings are there', () => assert.ok(cases.length >= 3, `found ${cases.length}`))

for (const name of cases) {
  test(`${name} trains as torch does`, (t) => checkTraining(t, join(golden, name)))
}
