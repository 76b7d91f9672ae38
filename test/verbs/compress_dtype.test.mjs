// In what a model is compressed where nobody says it.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compress } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'

test('a model keeps its dtype, which its weights tell where config.json does not; float16 becomes float32, and that is told', async () => {
  const place = temporaryFolder()
  const config = await tinyCompression(join(place, 'inputs'))
  const file = join(config.model, 'config.json')
  const { torch_dtype: _, ...silent } = JSON.parse(readFileSync(file, 'utf8'))
  const stages = [{ method: 'rows', criterion: 'l1', keep: 16 }]
  const bytes = async (keys, options = {}) => {
    writeFileSync(file, JSON.stringify({ ...silent, ...keys }))
    const { report } = await compress(
      { ...config, out: join(place, 'out'), stages },
      { dryRun: true, ...options },
    ).result
    return report.stages[1].bytes
  }
  const wide = await bytes({})
  const warnings = []
  const half = await bytes({ torch_dtype: 'float16' }, { onWarning: (message) => warnings.push(message) })
  assert.equal(half, wide)
  assert.match(warnings.join(), /is stored in float16, and becomes float32; dtype: bfloat16 keeps its size$/)
  assert.equal(2 * (await bytes({ torch_dtype: 'bfloat16' })), wide)
  const made = await runJob('loadModel', {
    folder: config.model,
    spec: decoderSpec({ ...silent }),
    dtype: 'bfloat16',
    threads: 1,
  })
  rmSync(join(config.model, 'model.safetensors'))
  await runJob('saveModel', { model: made, folder: config.model, dtype: 'bfloat16', max_shard_bytes: 1e9 })
  native().dispose(made)
  assert.equal(2 * (await bytes({})), wide)
})
