// Adapters as PEFT wrote them on the golden decoders: computed, merged and trained as PEFT and torch do it.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkAdapter } from '../helpers/adapter_parity.mjs'

const golden = join(dirname(fileURLToPath(import.meta.url)), 'adapter')
const cases = readdirSync(golden, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? entry.name : [],
)

test('the golden adapters are there', () => assert.ok(cases.length >= 5, `found ${cases.length}`))

for (const name of cases) {
  const folder = join(golden, name)
  const { base_model_name_or_path: base } = JSON.parse(readFileSync(join(folder, 'adapter_config.json')))
  test(`the adapter ${name} does what PEFT says`, (t) => checkAdapter(t, join(folder, base), folder))
}
