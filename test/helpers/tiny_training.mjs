// A training run of about a second from random weights: everything it reads lies in one folder.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeTokenizer } from '#lib/world/tokenizer'
import { WORDS_A } from '#lib/world/words'
import { tinyConfig } from './tiny_model.mjs'

/** Writes tokenizer and texts into `folder`; returns a config for `train` without `out`. */
export async function tinyTraining(folder, { steps = 40 } = {}) {
  mkdirSync(folder, { recursive: true })
  const tokenizer = join(folder, 'tokenizer')
  await writeTokenizer(tokenizer, { endOfTurn: false })
  const sentence = (i) =>
    Array.from({ length: 12 }, (_, j) => WORDS_A[(i * i + 3 * j) % WORDS_A.length]).join(' ')
  const texts = { train: join(folder, 'train.txt'), heldOut: join(folder, 'held_out.txt') }
  writeFileSync(texts.train, Array.from({ length: 400 }, (_, i) => sentence(i)).join('\n\n'))
  writeFileSync(texts.heldOut, Array.from({ length: 20 }, (_, i) => sentence(1000 + i)).join('\n\n'))
  return {
    init: tinyConfig({ width: 64 }),
    tokenizer,
    data: [{ path: texts.train }],
    eval: { every: 10, data: [{ path: texts.heldOut }] },
    data_cache: join(folder, 'data-cache'),
    sequence_length: 64,
    batch_size: 4,
    accumulation: 2,
    steps,
    schedule: { warmup: 5 },
    checkpoint: { every: 7, keep: 2 },
    threads: 1,
    seed: 5,
  }
}
