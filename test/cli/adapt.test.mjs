// `tongueforge adapt` as a command: the plan, the result, no arm that can win.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyAdaptation } from '../helpers/tiny_adaptation.mjs'

const root = temporaryFolder()
const config = { ...(await tinyAdaptation(join(root, 'inputs'))), arms: ['inscp'], out: join(root, 'run') }
const file = join(root, 'config.yaml')
writeFileSync(file, JSON.stringify(config)) // JSON is YAML too

test('a dry run prints the stages with what they need, and the sums', async () => {
  const { code, out, err } = await cli(['adapt', file, '--dry-run'])
  assert.equal(code, 0, err)
  assert.match(out, /^stage +verb +on +tokens +time +memory +disk/)
  assert.match(out, /\nchat-inscp +train +\S+chat +1\.2k +\d+ s +\d+ MB +\S+ MB\n/)
  assert.match(out, /\ninscp-evaluate +evaluate +chat-inscp .* estimate\n/)
  for (const sum of ['memory_bytes', 'memory_stage', 'disk_bytes', 'tokens', 'seconds'])
    assert.match(out, new RegExp(`\\n${sum} `))
})

test('the table, the rule and what came of it; where no arm can win, exit code 1 and a word on stderr', async () => {
  const require = [{ measure: 'texts/byte_perplexity', at_most: 1 }]
  const { code, out, err } = await cli(['adapt', file, `pick.require=${JSON.stringify(require)}`])
  assert.equal(code, 1)
  assert.match(out, /\ntexts +byte_perplexity +inscp +\S+ .*\n/)
  assert.match(out, /\nrule +least texts\/byte_perplexity, provided texts\/byte_perplexity at most 1\n/)
  assert.match(out, /\npicked +none\n/)
  assert.match(err, /no arm can win/)
  const again = await cli(['adapt', file, '--resume'])
  assert.equal(again.code, 0, again.err)
  assert.match(again.out, /\npicked +inscp\n/)
  assert.match(again.out, /\ndone +0\n/)
})
