// A sweep of a second: three random models, texts and conversations of the demo's world.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WORDS_A } from '#lib/world/words'
import { writeTinyModel } from './tiny_model.mjs'

const words = (i, count) =>
  Array.from({ length: count }, (_, j) => WORDS_A[(i * i + 3 * j) % WORDS_A.length]).join(' ')

/** Writes models and data into `folder`; returns a config for `sweep` without `out`. */
export async function tinySweep(folder, { documents = 8, ...size } = {}) {
  mkdirSync(folder, { recursive: true })
  const [target, base, chat] = ['target', 'base', 'chat'].map((name) => join(folder, name))
  for (const [i, model] of [target, base, chat].entries())
    await writeTinyModel(model, { seed: i + 1, layers: 4, ...size })
  const texts = join(folder, 'texts.txt')
  const chats = join(folder, 'chats.jsonl')
  const many = Array.from({ length: documents }, (_, i) => i)
  writeFileSync(texts, many.map((i) => words(i, 14)).join('\n\n'))
  const records = many.map((i) => ({ prompt: words(i, 5), completion: words(i + 100, 6) }))
  writeFileSync(chats, records.map((record) => JSON.stringify(record)).join('\n'))
  return {
    ...{ target, base, chat },
    scales: [0, 0.5, 1],
    objectives: [
      { name: 'language', loss: 'text', data: [{ path: texts }] },
      { name: 'manners', loss: 'messages', data: [{ path: chats }] },
    ],
    data_cache: join(folder, 'data-cache'),
    sequence_length: 64,
    batch_size: 4,
    threads: 1,
  }
}
