// A pipeline of compression that goes on with other macs_tokens.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { compress } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'

const root = temporaryFolder()
const given = await tinyCompression(join(root, 'inputs'))
const compressed = (name, changes, options) =>
  compress({ ...given, ...changes, out: join(root, name) }, options).result

test('a pipeline that goes on with other macs_tokens counts what is finished again', async () => {
  const prune = { method: 'prune', sparsity: 0.5, criterion: 'magnitude' }
  const rows = { method: 'rows', keep: 96 }
  await compressed('run', { stages: [prune], macs_tokens: 512 })
  const changes = { stages: [prune, rows], macs_tokens: 16 }
  const { report } = await compressed('run', changes, { resume: true })
  const fresh = await compressed('fresh', changes)
  const macsOf = ({ stages }) => stages.map(({ macs }) => macs)
  assert.deepEqual(macsOf(report), macsOf(fresh.report))
  assert.deepEqual(
    macsOf(report).map(({ tokens }) => tokens),
    [16, 16, 16],
  )
})
