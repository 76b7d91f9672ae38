// The figures of speed and memory that each update leaves.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { trainingFlops } from '#lib/verbs/training/flops'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const near = (actual, expected, what) =>
  assert.ok(Math.abs(actual / expected - 1) < 1e-9, `${what}: ${actual}, expected ${expected}`)

test('real and padded tokens/s, MFU and memory of each update and of the run hang together', async () => {
  const root = temporaryFolder()
  const model = await writeTinyModel(join(root, 'model'))
  const talk = (i) => ({
    messages: [
      { role: 'user', content: 'the color of anna is' },
      { role: 'assistant', content: i % 2 ? 'red' : 'red . the color of anna is blue .' },
    ],
  })
  const records = join(root, 'talks.jsonl')
  writeFileSync(records, Array.from({ length: 40 }, (_, i) => `${JSON.stringify(talk(i))}\n`).join(''))
  const [rows, length, accumulation] = [3, 40, 2]
  const config = {
    objective: 'sft',
    model,
    out: join(root, 'run'),
    data: [{ path: records }],
    sequence_length: length,
    batch_size: rows,
    accumulation,
    steps: 4,
    threads: 1,
  }
  const { report } = await train(config).result
  const { batch } = (await train({ ...config, out: join(root, 'none') }, { showBatch: true }).result).report
  assert.ok(
    batch.some(({ padding }) => padding > 0),
    'there is padding',
  )
  const lines = readFileSync(join(config.out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  let [tokens, seconds] = [0, 0]
  for (const line of lines.map((text) => JSON.parse(text))) {
    const { tokens_per_second: real, padded_tokens_per_second: all, mfu } = line
    const places = rows * length * accumulation
    const filled = (real / all) * places
    assert.ok(Math.abs(filled - Math.round(filled)) < 1e-6 && filled < places, `${filled} of ${places}`)
    tokens += Math.round(filled)
    seconds += filled / real
    near(mfu, (real * report.flops_per_token) / report.matrix_flops_per_second, 'mfu')
    assert.ok(line.memory_bytes > 2e7 && line.memory_bytes <= line.peak_memory_bytes)
  }
  assert.equal(tokens, report.tokens)
  near(report.tokens_per_second, report.tokens / report.seconds, 'tokens_per_second')
  near(
    report.mfu,
    ((tokens / seconds) * report.flops_per_token) / report.matrix_flops_per_second,
    'of the run',
  )
  assert.ok(report.peak_memory_bytes >= JSON.parse(lines.at(-1)).peak_memory_bytes)
  const spec = {
    kind: 'decoder',
    hidden_size: 32,
    head_dim: 8,
    layers: Array(2).fill({ num_heads: 4, num_kv_heads: 4, intermediate_size: 128, window: 0, ranks: {} }),
    vocab_size: JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')).vocab_size,
  }
  const matrices = 2 * (4 * 32 * 32 + 3 * 32 * 128) + spec.vocab_size * 32
  near(report.flops_per_token, 6 * matrices + 12 * 2 * 32 * ((length + 1) / 2), 'flops_per_token')
  near(report.flops_per_token, trainingFlops({ ...spec, tie_word_embeddings: false }, length), 'of flops.ts')
})
