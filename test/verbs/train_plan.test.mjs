// What a dry run foretells, against runs.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { countParameters } from '#lib/counting/parameters'
import { train } from '#lib/verbs/train'
import { readTrainConfig } from '#lib/verbs/training/config'
import { activationBytes, memoryBytes, peakBytes } from '#lib/verbs/training/memory'
import { checkMemory, machineMemory, memoryOf } from '#lib/verbs/training/memory_room'
import { openInputs, planTraining } from '#lib/verbs/training/plan'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyConfig } from '../helpers/tiny_model.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

// Counted by libtorch's allocator in one update (test/native/peak_memory.h), less the gradient of the head.
const COUNTED = [
  { D: 128, F: 512, H: 32, K: 4, L: 4, B: 4, T: 256, kept: 'none', bytes: 48.93e6 },
  { D: 128, F: 512, H: 32, K: 4, L: 4, B: 4, T: 256, kept: 'block', bytes: 19.9e6 },
  { D: 128, F: 512, H: 32, K: 4, L: 8, B: 4, T: 256, kept: 'block', bytes: 24.15e6 },
  { D: 256, F: 700, H: 64, K: 1, L: 6, B: 2, T: 1024, kept: 'none', bytes: 203.77e6 },
  { D: 256, F: 700, H: 64, K: 1, L: 6, B: 2, T: 1024, kept: 'block', bytes: 71.39e6 },
]

// By libtorch's allocator in ten updates of bench/gpu.mjs on a Hopper GPU: 8 rows of 2048 in bfloat16, AdamW.
const COUNTED_ON_GPU = [
  { D: 768, F: 2560, N: 12, K: 12, L: 12, bytes: 8_527_695_360 },
  { D: 2048, F: 8192, N: 32, K: 8, L: 16, bytes: 36_093_703_168 },
]

test('what a training takes of a GPU is foretold within 5 %', () => {
  for (const { D, F, N, K, L, bytes } of COUNTED_ON_GPU) {
    const spec = decoderSpec({
      ...{ model_type: 'llama', vocab_size: 32000, hidden_size: D, intermediate_size: F },
      ...{ num_hidden_layers: L, num_attention_heads: N, num_key_value_heads: K },
      ...{ max_position_embeddings: 4096, tie_word_embeddings: true, rms_norm_eps: 1e-5, hidden_act: 'silu' },
    })
    const parameters = countParameters(spec)
    const foretold = peakBytes({
      spec,
      config: {
        ...{ device: 'cuda', dtype: 'bfloat16', batch_size: 8, sequence_length: 2048, accumulation: 1 },
        ...{ activation_checkpointing: 'none', optimizer: { kind: 'adamw' } },
      },
      trained: {
        ...{ parameters, own_parameters: parameters, shapes: [[parameters]] },
        ...{ recorded_blocks: L, head: true },
      },
    })
    assert.ok(Math.abs(foretold / bytes - 1) < 0.05, `${L} blocks: ${foretold}, counted ${bytes}`)
  }
})

test('activations in closed form are within 3 % of what the allocator counts', () => {
  for (const { D, F, H, K, L, B, T, kept, bytes } of COUNTED) {
    const layer = { num_heads: 4, num_kv_heads: K, intermediate_size: F, window: 0, ranks: {} }
    const foretold = activationBytes({
      spec: {
        kind: 'decoder',
        vocab_size: 1000,
        hidden_size: D,
        head_dim: H,
        qk_norm: false,
        layers: Array(L).fill(layer),
      },
      config: {
        ...{ batch_size: B, sequence_length: T, dtype: 'float32', device: 'cpu' },
        activation_checkpointing: kept,
      },
      trained: { recorded_blocks: L },
    })
    assert.ok(Math.abs(foretold / bytes - 1) < 0.03, `${L} blocks, ${kept}: ${foretold}, counted ${bytes}`)
  }
})

describe('the plan of a run', () => {
  const root = temporaryFolder()
  let base
  let made = 0
  const config = (changes) => ({ ...base, out: join(root, `run-${made++}`), ...changes })
  const planned = async (options) => (await train(options, { dryRun: true }).result).report.plan

  before(async () => {
    base = { ...(await tinyTraining(join(root, 'inputs'))), eval: undefined }
  })

  // The most memory of a fresh process, whose runs have done `steps` updates.
  function peakOf(options) {
    const program = `require(${JSON.stringify(clone)}).train(JSON.parse(process.env.CONFIG), { ownProcess: false }).result.then(() =>
      console.log(process.resourceUsage().maxRSS * 1024))`
    const env = { ...process.env, CONFIG: JSON.stringify(options) }
    return Number(execFileSync(process.execPath, ['-e', program], { env, encoding: 'utf8' }))
  }

  test('the peak is within 20 % of that of runs whose activations dominate', async () => {
    const init = tinyConfig({ width: 128, layers: 6 })
    const long = { init, sequence_length: 1024, batch_size: 6, accumulation: 1, steps: 1 }
    for (const activation_checkpointing of ['none', 'block']) {
      const options = config({ ...long, activation_checkpointing })
      const { activation_bytes, peak_memory_bytes } = await planned(options)
      const measured = peakOf(options)
      const told = `${activation_checkpointing}: ${peak_memory_bytes} foretold, ${measured} measured`
      assert.ok(Math.abs(peak_memory_bytes / measured - 1) < 0.2, told)
      assert.equal(activation_bytes > 300e6, activation_checkpointing === 'none')
    }
  })

  test('tokens, memory of the machine, and a time that follows steps and model are told', async () => {
    const [one, ten] = [await planned(config({ steps: 1 })), await planned(config({ steps: 10 }))]
    assert.equal(ten.tokens, 10 * ten.tokens_per_step)
    assert.ok(one.machine_memory_bytes > one.peak_memory_bytes)
    assert.ok(one.matrix_flops_per_second > 1e8)
    assert.ok(Math.abs(ten.seconds / one.seconds - 10) < 1e-6) // the rate is measured once a process
    const again = await planned(config({ steps: 1, activation_checkpointing: 'block' }))
    assert.ok(again.seconds > 1.2 * one.seconds && again.seconds < 1.4 * one.seconds)
    assert.ok(again.activation_bytes < one.activation_bytes)
  })

  const planOf = async (options) => {
    const checked = await readTrainConfig(options, [])
    const plan = await planTraining(checked, await openInputs(checked), {
      signal: new AbortController().signal,
    })
    await plan.data.close()
    return plan
  }

  test('a run that cannot fit is refused before anything is allocated, with what to change', async () => {
    const init = tinyConfig({ width: 32768, layers: 60 })
    const options = config({ init, steps: 1 })
    await assert.rejects(train(options).result, (error) => {
      assert.equal(error.code, 'ERR_OUT_OF_MEMORY')
      assert.match(error.message, /expected at most \d+ bytes of memory .* the run needs about \d+/)
      assert.match(
        error.hint,
        /^Train adapters with lora: \{\}; or set optimizer\.kind: adafactor; or set act/,
      )
      assert.ok(error.details.bytes_needed > error.details.bytes_available)
      return true
    })
    const warnings = []
    await train(options, { dryRun: true, onWarning: (warning) => warnings.push(warning) }).result
    assert.match(warnings.join(), /the run needs about/, 'a dry run tells it, and prints the plan')
  })

  test('what does not fit into what is free is warned of, and what fits is not', async () => {
    const plan = await planOf(config({ batch_size: 64 }))
    const said = (machine) => {
      const warnings = []
      checkMemory(plan, (warning) => warnings.push(warning), machine)
      return warnings.join()
    }
    assert.equal(said({ bytes: 8e9, free: 8e9 }), '')
    assert.match(
      said({ bytes: 8e9, free: 1e8 }),
      /0\.100 GB are free\. Set activation_checkpointing: block; or lower/,
    )
    assert.throws(() => said({ bytes: 1e8, free: 1e8 }), {
      code: 'ERR_OUT_OF_MEMORY',
      hint: /lower batch_size, now 64/,
    })
    const { bytes, free } = machineMemory()
    assert.ok(free > 0 && free <= bytes)
  })

  test('on a GPU what counts is its memory: 16 bytes a parameter in bfloat16, and the sum of several micro-steps', async () => {
    const half = { device: 'cuda', dtype: 'bfloat16', batch_size: 1, accumulation: 1 }
    const [one, several] = [await planOf(config(half)), await planOf(config({ ...half, accumulation: 4 }))]
    const parameters = one.trained.parameters
    assert.equal(memoryBytes(one) - 2 * parameters, 16 * parameters, 'with gradients in 16 bits')
    assert.equal(peakBytes(several) - peakBytes(one), 4 * parameters)
    assert.ok(peakBytes(one) < peakBytes(await planOf(config({ ...half, dtype: 'float32' }))))
    const warnings = []
    const gpu = { bytes: 80e9, free: 1e6, gpu: 'cuda:1' }
    checkMemory(one, (warning) => warnings.push(warning), gpu)
    assert.match(warnings.join(), /GB of cuda:1 are free/)
    assert.throws(() => checkMemory(one, () => {}, { ...gpu, bytes: 1e6 }), {
      code: 'ERR_OUT_OF_MEMORY',
      message: /all that cuda:1 gives/,
    })
    await assert.rejects(memoryOf('cuda:99'), { code: 'ERR_DEVICE' })
  })

  test('advice says nothing that the config says already', async () => {
    const plan = await planOf(
      config({ batch_size: 1, activation_checkpointing: 'block', optimizer: { kind: 'adafactor' } }),
    )
    assert.throws(() => checkMemory(plan, () => {}, { bytes: 1e6, free: 1e6 }), {
      hint: 'Train adapters with lora: {}; or lower sequence_length, now 64.',
    })
  })
})
