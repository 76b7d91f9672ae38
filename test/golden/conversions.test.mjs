// Every checkpoint of golden/conversions against the tensors that it must become (golden/conversions/make.py).
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkConversion } from '../helpers/torch_files.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'conversions')
const names = readdirSync(golden).filter((name) => existsSync(join(golden, name, 'given')))

test('the golden checkpoints are there', () => {
  assert.ok(names.length >= 8, `found ${names.length}`)
})

for (const name of names)
  test(`${name} becomes what torch and transformers make of it`, () => checkConversion(join(golden, name)))
