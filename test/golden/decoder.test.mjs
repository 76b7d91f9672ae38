// Every folder of golden/decoder against what transformers said about it (golden/decoder/make_golden.py).
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkDecoder } from '../helpers/decoder_parity.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'decoder')
const cases = readdirSync(golden).filter((name) => existsSync(join(golden, name, 'expected.safetensors')))

test('the golden decoders are there', () => assert.ok(cases.length >= 24, `found ${cases.length}`))

for (const name of cases) {
  test(`${name} answers as transformers does`, (t) => checkDecoder(t, join(golden, name)))
}
