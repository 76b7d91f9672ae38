// Every file of golden/torch_files against what torch read of it (golden/torch_files/make.py).
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkTorchFile } from '../helpers/torch_files.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'torch_files')
const names = readdirSync(golden)
  .filter((name) => name.endsWith('.pt'))
  .map((name) => name.slice(0, -3))

test('the golden files of torch are there', () => {
  assert.ok(names.length >= 10, `found ${names.length}`)
})

for (const name of names) test(`${name} is read as torch reads it`, () => checkTorchFile(golden, name))
