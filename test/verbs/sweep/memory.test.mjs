import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { checkSweepMemory, sweepMemory } from '#lib/verbs/sweep/memory'
import { tinyConfig } from '../../helpers/tiny_model.mjs'

const config = { dtype: 'bfloat16', batch_size: 4, sequence_length: 512 }
const memory = sweepMemory({
  config,
  spec: decoderSpec(tinyConfig()),
  parameters: 8e9,
  stored_bytes: 16e9,
})

test('memory is the target as stored, the difference in float32, and the weights of a point', () => {
  assert.equal(memory.target_bytes, 16e9)
  assert.equal(memory.delta_bytes, 32e9)
  assert.equal(memory.live_bytes, 16e9)
  const { memory_bytes, ...parts } = memory
  const rest = memory_bytes - Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)
  assert.ok(rest > 1e8 && rest < 5e8, 'the process itself')
  const wide = sweepMemory({
    config: { ...config, dtype: 'float32' },
    spec: decoderSpec(tinyConfig()),
    parameters: 8e9,
    stored_bytes: 16e9,
  })
  assert.equal(wide.live_bytes, 32e9)
  assert.equal(wide.activation_bytes > memory.activation_bytes, true)
})

test('what cannot fit is refused with the figures, what may not fit is told', () => {
  const check = (machine, dtype = 'bfloat16') => {
    const warnings = []
    checkSweepMemory(memory, { dtype }, (message) => warnings.push(message), machine)
    return warnings
  }
  assert.throws(() => check({ bytes: 32e9, free: 32e9 }), {
    code: 'ERR_OUT_OF_MEMORY',
    message: /at most 32000000000 bytes .* needs about 64\d{9}/,
    hint: /target \(16\.0 GB\), the difference in float32 \(32\.0 GB\) .* \(16\.0 GB\)\. Take a machine/,
  })
  assert.throws(() => check({ bytes: 32e9, free: 32e9 }, 'float32'), { hint: /dtype: bfloat16/ })
  assert.match(
    check({ bytes: 128e9, free: 32e9 })[0],
    /needs about 64\.\d GB of memory, and 32\.0 GB are free/,
  )
  assert.deepEqual(check({ bytes: 128e9, free: 100e9 }), [])
})
