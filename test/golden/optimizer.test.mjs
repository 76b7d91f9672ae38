// Ten steps of each optimizer of cases.json against transformers (test/golden/optimizer/make_golden.py).
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readArrays } from '../helpers/safetensors.mjs'
import { checkAdafactor } from '../helpers/training_parity.mjs'

const golden = dirname(fileURLToPath(import.meta.url))
const model = join(golden, 'decoder', 'llama_tied_gqa')
const cases = JSON.parse(readFileSync(join(golden, 'optimizer', 'cases.json'), 'utf8'))

for (const [name, settings] of Object.entries(cases)) {
  test(`${name}: losses, gradient norms and weights of ten steps agree to 1e-4`, () =>
    checkAdafactor(model, settings, readArrays(join(golden, 'optimizer', `${name}.safetensors`))))
}
