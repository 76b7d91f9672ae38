// The recipes are configs of their commands, and run small.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { clustersSchema } from '#lib/config/clusters'
import { evaluateSchema } from '#lib/config/evaluate'
import { landscapeSchema } from '#lib/config/landscape'
import { checkMergeConfig } from '#lib/config/merge_checks'
import { checkConfig, readYaml } from '#lib/config/parse'
import { probeSchema } from '#lib/config/probe'
import { sweepSchema } from '#lib/config/sweep'
import { trainSchema } from '#lib/config/train'
import { readAdaptConfig } from '#lib/verbs/adapting/config'
import { readCompressConfig } from '#lib/verbs/compressing/config'
import { pointsOf } from '#lib/verbs/landscaping/points'
import { writeDatasets } from '#lib/world/datasets'
import { writeTasks } from '#lib/world/tasks'
import { writeTokenizer } from '#lib/world/tokenizer'
import { World } from '#lib/world/world'
import { clone } from './helpers/cli.mjs'
import { temporaryFolder } from './helpers/folders.mjs'
import { writeDescendant, writeHollowModel, writeTinyModel } from './helpers/tiny_model.mjs'

/** By the command that a recipe is for. */
const CHECKS = {
  adapt: (_config, file) => readAdaptConfig(file, []),
  train: (config, file) => checkConfig(trainSchema, config, file),
  sweep: (config, file) => checkConfig(sweepSchema, config, file),
  evaluate: (config, file) => checkConfig(evaluateSchema, config, file),
  merge: checkMergeConfig,
  landscape: checkLandscape,
  clusters: (config, file) => checkConfig(clustersSchema, config, file),
  probe: (config, file) => checkConfig(probeSchema, config, file),
  compress: (_config, file) => readCompressConfig(file, []),
}

async function checkLandscape(config, file) {
  const points = pointsOf(checkConfig(landscapeSchema, config, file), file)
  for (const point of points) await readCompressConfig({ ...point.config, out: 'out' }, [])
  return points.length > 0
}

/** config.json of Llama 3 8B. */
const LLAMA = {
  model_type: 'llama',
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  vocab_size: 128256,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  hidden_act: 'silu',
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
}

describe('recipes', () => {
  for (const name of readdirSync(join(clone, 'recipes'))) {
    test(`${name} is a config, headed by the command that runs it`, async () => {
      const file = join(clone, 'recipes', name)
      const [, verb] = /^# npx tongueforge (\w+)/.exec(readFileSync(file, 'utf8')) ?? []
      assert.ok(await CHECKS[verb](await readYaml(file), file))
      assert.match(readFileSync(file, 'utf8'), new RegExp(`^# npx tongueforge ${verb} recipes/${name}[ \n]`))
    })
  }

  test('recipes/cp.yaml runs with the overrides that it names', async () => {
    const root = temporaryFolder()
    const model = await writeTinyModel(join(root, 'base'))
    writeFileSync(join(root, 'corpus.txt'), 'the color of anna is red .\n')
    const overrides = [
      `model=${model}`,
      `out=${join(root, 'run')}`,
      `data.0.path=${join(root, 'corpus.txt')}`,
    ]
    const { train } = await import('#lib/verbs/train')
    const { report } = await train(join(clone, 'recipes/cp.yaml'), {
      overrides: [...overrides, 'steps=2', 'sequence_length=32'],
    }).result
    assert.equal(report.steps, 2)
  })

  test('recipes/lora.yaml runs with the overrides that it names', async () => {
    const root = temporaryFolder({
      'chats.jsonl': JSON.stringify({ prompt: 'the color of anna', completion: 'red .' }),
    })
    const model = await writeTinyModel(join(root, 'base'))
    const places = [`model=${model}`, `out=${join(root, 'run')}`, `data.0.path=${join(root, 'chats.jsonl')}`]
    const { train } = await import('#lib/verbs/train')
    const { adapter, report } = await train(join(clone, 'recipes/lora.yaml'), {
      overrides: [...places, 'steps=2', 'sequence_length=32'],
    }).result
    assert.ok(existsSync(join(adapter, 'adapter_model.safetensors')))
    assert.ok(report.drift.logits.max_relative < 1e-5)
  })

  test('recipes/distil.yaml runs with the overrides that it names', async () => {
    const root = temporaryFolder({ 'corpus.txt': 'the color of anna is red .\n' })
    const teacher = await writeTinyModel(join(root, 'teacher'), { layers: 4 })
    const places = [
      `teacher=${teacher}`,
      `out=${join(root, 'run')}`,
      `data.0.path=${join(root, 'corpus.txt')}`,
    ]
    const { train } = await import('#lib/verbs/train')
    const { report } = await train(join(clone, 'recipes/distil.yaml'), {
      overrides: [...places, 'steps=2', 'sequence_length=32'],
    }).result
    assert.deepEqual(report.plan.student.layers, [0, 2])
  })

  const recipe = (name) => join(clone, 'recipes', name)
  const read = (name) => readYaml(recipe(name))

  test('recipes of a path go on where the one before ends', async () => {
    const paths = ['cp', 'sft', 'dpo'].map((objective) => `llama3_8b_${objective}_zh_tw.yaml`)
    for (const chain of [paths, ['tiny_cp.yaml', 'tiny_sft.yaml']]) {
      const configs = await Promise.all(chain.map(read))
      for (const [i, { model }] of configs.slice(1).entries())
        assert.equal(model, configs[i].out, chain[i + 1])
    }
  })

  test('the tiny recipes run on what the demo leaves', async () => {
    const root = temporaryFolder()
    const world = join(root, 'demo-out/world')
    const sizes = { base_documents: 1, conversations: 20, cp_documents: 40, held_out_documents: 5 }
    await writeDatasets(new World(1), world, sizes)
    await writeTokenizer(join(world, 'tokenizer-chat'), { endOfTurn: true })
    for (const name of ['base', 'chat']) await writeTinyModel(join(root, 'demo-out', name))
    const { train } = await import('#lib/verbs/train')
    for (const name of ['tiny_inscp', 'tiny_cp', 'tiny_sft']) {
      const { model, out, tokenizer, data, eval: heldOut } = await read(`${name}.yaml`)
      const overrides = [
        `model=${join(root, model)}`,
        `out=${join(root, out)}`,
        `data.0.path=${join(root, data[0].path)}`,
        ...(tokenizer ? [`tokenizer=${join(root, tokenizer)}`] : []),
        ...(heldOut ? [`eval.data.0.path=${join(root, heldOut.data[0].path)}`] : []),
        'steps=3',
        'threads=1',
      ]
      const { report } = await train(recipe(`${name}.yaml`), { overrides }).result
      assert.equal(report.steps, 3, name)
      assert.equal(report.plan.data.truncated, 0, `${name}: rows take whole conversations`)
    }
  })

  test('the merges run on what the demo leaves', async () => {
    const root = temporaryFolder()
    for (const [seed, name] of ['base', 'chat', 'cp'].entries())
      await writeTinyModel(join(root, 'demo-out', name), { seed })
    const { merge } = await import('tongueforge')
    for (const name of readdirSync(join(clone, 'recipes')).filter((file) => file.startsWith('merge_'))) {
      const text = readFileSync(recipe(name), 'utf8').replaceAll('demo-out', join(root, 'demo-out'))
      writeFileSync(join(root, name), text)
      const { layers, nonfinite } = await merge(join(root, name), { out: join(root, `out-${name}`) })
      assert.deepEqual([layers, nonfinite], [2, 0], name)
    }
  })

  test('the tiny compression runs on what the demo leaves', async () => {
    const root = temporaryFolder()
    const sizes = { base_documents: 60, conversations: 20, cp_documents: 1, held_out_documents: 5 }
    await writeDatasets(new World(1), join(root, 'demo-out/world'), sizes)
    await writeTinyModel(join(root, 'demo-out/base'))
    const yaml = readFileSync(recipe('compress_tiny.yaml'), 'utf8').replaceAll(
      'demo-out',
      join(root, 'demo-out'),
    )
    writeFileSync(join(root, 'compress.yaml'), yaml)
    const { compress } = await import('tongueforge')
    const few = [0, 1].flatMap((i) => [
      `stages.${i}.recover.steps=2`,
      `stages.${i}.recover.schedule.warmup=1`,
    ])
    const overrides = [`out=${join(root, 'run')}`, ...few, 'stages.3.steps=6', 'threads=1']
    const { report } = await compress(join(root, 'compress.yaml'), { overrides, onWarning: () => {} }).result
    assert.equal(report.loads_in, 'transformers')
    const { layers, zeros } = report.stages.at(-1)
    assert.deepEqual([layers[0].num_heads, layers[0].intermediate_size], [2, 96])
    assert.ok(zeros > 0, 'zeros stay zero in the last training')
  })

  test('the tiny adaptation runs on what the demo leaves', async () => {
    const root = temporaryFolder()
    const sizes = { base_documents: 1, conversations: 100, cp_documents: 40, held_out_documents: 4 }
    await writeDatasets(new World(1), join(root, 'demo-out/world'), sizes)
    await writeTasks(new World(1), join(root, 'demo-out/world/tasks'))
    const base = await writeTinyModel(join(root, 'demo-out/base'))
    await writeDescendant(base, join(root, 'demo-out/chat'), { size: 0.1 })
    const yaml = readFileSync(recipe('adapt_tiny.yaml'), 'utf8').replaceAll(
      'demo-out',
      join(root, 'demo-out'),
    )
    writeFileSync(join(root, 'adapt.yaml'), yaml)
    const { adapt } = await import('tongueforge')
    const overrides = [
      ...[`out=${join(root, 'run')}`, 'training.steps=2', 'training.schedule.warmup=1', 'threads=1'],
      ...['arms.3.search.scales=[0.5, 1]', 'evaluate.limit=4', 'pick.require=[]'],
    ]
    const { arms, pick } = await adapt(join(root, 'adapt.yaml'), { overrides }).result
    assert.deepEqual(
      arms.map(({ name, measured }) => [name, measured]),
      ['cp', 'inscp', 'cp_vector', 'cp_vector_found', 'cp_sft'].map((name) => [name, true]),
    )
    assert.ok(pick.picked)
  })

  test('the compression after the paper ends at its sizes, by shapes alone', async () => {
    const sizes = {
      hidden_size: 768,
      num_hidden_layers: 12,
      num_attention_heads: 12,
      num_key_value_heads: 12,
    }
    const config = { ...LLAMA, ...sizes, intermediate_size: 3072, vocab_size: 512, torch_dtype: 'float32' }
    const { stages } = await planCompression('compress_paper.yaml', config)
    assert.equal(stages.length, 1 + 2 * (11 + 20))
    const [start, heads, rows] = [0, 22, 62].map((stage) => stages[stage].parameters.total)
    const attention = (count) => 4 * 768 * 64 * count
    assert.equal(start - heads, attention(132))
    assert.equal(heads - rows, 12 * 3 * 768 * (3072 - 512))
  })

  test('recipes/compress_llama3_8b.yaml ends at the size that it says, by shapes alone', async () => {
    const { stages } = await planCompression('compress_llama3_8b.yaml', LLAMA)
    assert.equal(stages[0].parameters.total, 8030261248)
    const said = / to ([0-9.]+) B that/.exec(readFileSync(recipe('compress_llama3_8b.yaml'), 'utf8'))[1]
    assert.equal((stages.at(-1).parameters.total / 1e9).toFixed(1), said)
  })

  /** What a recipe foretells for a model of which there is nothing but its config.json. */
  async function planCompression(name, config) {
    const root = temporaryFolder({ 'data.jsonl': JSON.stringify(text), 'model/config.json': config })
    const model = join(root, 'model')
    await writeTokenizer(model, { endOfTurn: true })
    const given = await read(name)
    const parts = ['recovery', 'evaluate', 'calibration'].filter((part) => given[part])
    const overrides = [
      `model=${model}`,
      `out=${join(root, 'run')}`,
      ...parts.map((part) => `${part}.data.0.path=${join(root, 'data.jsonl')}`),
    ]
    const { compress } = await import('tongueforge')
    return (await compress(recipe(name), { overrides, dryRun: true }).result).report
  }

  /** The plan of a recipe for an 8B Llama 3, by its shapes alone: there are no weights. */
  async function plan8B(name, record) {
    const root = temporaryFolder({ 'data.jsonl': JSON.stringify(record), 'model/config.json': LLAMA })
    const model = join(root, 'model')
    await writeTokenizer(model, { endOfTurn: true })
    const { tokenizer, inscp } = await read(name)
    const overrides = [
      `model=${model}`,
      `out=${join(root, 'run')}`,
      `data.0.path=${join(root, 'data.jsonl')}`,
      ...(tokenizer ? [`tokenizer=${model}`] : []),
      ...(inscp ? ['inscp={}'] : []), // to measure perplexities takes weights
    ]
    const { train } = await import('#lib/verbs/train')
    const { report } = await train(recipe(name), { overrides, dryRun: true }).result
    assert.equal(report.plan.parameters, 8030261248)
    return report.plan
  }

  const text = { text: 'the color of anna is red .' }

  test('recipes/adapt_llama3_8b_zh_tw.yaml takes what its parts take, by the shapes of Llama 3 alone', async () => {
    const root = temporaryFolder({
      'text.jsonl': JSON.stringify(text),
      'chat.jsonl': JSON.stringify(chat),
      'pair.jsonl': JSON.stringify(pair),
    })
    const [model, base] = ['chat', 'base'].map((name) => join(root, name))
    for (const folder of [model, base]) await writeHollowModel(folder, LLAMA)
    const file = (name) => `path=${join(root, name)}`
    const overrides = [
      ...[`chat=${model}`, `base=${base}`, `out=${join(root, 'run')}`, 'evaluate.tasks=[]'],
      ...[`corpus.0.${file('text.jsonl')}`, `instructions.0.${file('chat.jsonl')}`],
      ...[`preferences.0.${file('pair.jsonl')}`, 'pick={ by: chinese/byte_perplexity }'],
      ...['chinese', 'english'].map((name) => `held_out.${name}.0.${file('text.jsonl')}`),
    ]
    const { adapt } = await import('tongueforge')
    const said = /of memory: (\d+) GB/.exec(readFileSync(recipe('adapt_llama3_8b_zh_tw.yaml'), 'utf8'))[1]
    const plan = await adapt(recipe('adapt_llama3_8b_zh_tw.yaml'), { overrides, dryRun: true }).result
    const of = (name) => plan.stages.find(({ stage }) => stage === name)
    for (const name of ['chat-cp', 'chat-inscp', 'base-cp']) {
      const part = await plan8B(`llama3_8b_${name.split('-')[1]}_zh_tw.yaml`, text)
      assert.ok(of(name).memory_bytes > part.memory_bytes, name)
      assert.ok(of(name).memory_bytes < part.peak_memory_bytes, `${name}: blocks are computed again`)
      assert.equal(of(name).tokens, 1526 * 65536)
      assert.ok(of(name).disk_bytes > 200e9, 'two checkpoints and a model')
    }
    assert.equal(of('base-cp-sft').tokens, 600 * 8 * 8 * 2048)
    assert.equal(of('base-cp-sft-dpo').tokens, 300 * 4 * 8 * 4096)
    assert.equal(of('cp_vector-vector').disk_bytes, statSync(join(model, 'model.safetensors')).size)
    assert.equal(Math.round(plan.memory_bytes / 1e9), Number(said))
    assert.ok(!existsSync(join(root, 'run')))
  })

  test('recipes/lora_8b.yaml fits 24 GB, by the shapes of Llama 3 alone', async () => {
    const plan = await plan8B('lora_8b.yaml', text)
    const { parameters, trained_parameters, memory_bytes, checkpoint_bytes } = plan
    assert.equal(trained_parameters, 41943040)
    assert.equal(memory_bytes, 2 * parameters + 16 * trained_parameters)
    assert.equal(checkpoint_bytes, 12 * trained_parameters)
    assert.ok(memory_bytes < 17e9)
  })

  const pair = { prompt: 'the color of anna', chosen: 'red .', rejected: 'blue .' }
  const chat = { prompt: 'the color of anna', completion: 'red .' }
  for (const [objective, record] of Object.entries({ inscp: text, cp: text, sft: chat, dpo: pair })) {
    test(`recipes/llama3_8b_${objective}_zh_tw.yaml takes the 145 GB that it says, by shapes alone`, async () => {
      const { memory_bytes, tokens_per_step } = await plan8B(`llama3_8b_${objective}_zh_tw.yaml`, record)
      assert.equal(Math.round(memory_bytes / 1e9), 145)
      assert.ok(tokens_per_step >= 65536)
    })
  }
})
