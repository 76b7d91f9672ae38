// An adaptation of seconds: a random base model and one that descends from it as chat model, texts and conversations of
// the demo's world.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WORDS_A } from '#lib/world/words'
import { writeBpeModel } from './bpe_model.mjs'
import { byteLevelOn } from './bpe_tokenizers.mjs'
import { writeDescendant, writeTinyModel } from './tiny_model.mjs'

const words = (i, count) =>
  Array.from({ length: count }, (_, j) => WORDS_A[(i * i + 3 * j) % WORDS_A.length]).join(' ')
const lines = (count, make) =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify(make(i))}\n`).join('')

/** Writes models and texts into `folder`; returns a config for `adapt` without `out`. */
export async function tinyAdaptation(folder, size = {}) {
  mkdirSync(folder, { recursive: true })
  const file = (name, text) => {
    writeFileSync(join(folder, name), text)
    return [{ path: join(folder, name) }]
  }
  const base = await writeTinyModel(join(folder, 'base'), size)
  const chat = await writeDescendant(base, join(folder, 'chat'), { size: 0.2 })
  const turn = (i) => ({ prompt: words(i, 4), completion: words(i + 7, 5) })
  return {
    ...{ chat, base, language: 'de' },
    corpus: file(
      'corpus.jsonl',
      lines(120, (i) => ({ text: words(i, 12) })),
    ),
    instructions: file('chats.jsonl', lines(60, turn)),
    preferences: file(
      'pairs.jsonl',
      lines(60, (i) => ({ prompt: words(i, 4), chosen: words(i + 7, 5), rejected: words(i + 9, 5) })),
    ),
    held_out: {
      texts: file(
        'held_out.jsonl',
        lines(6, (i) => ({ text: words(1000 + i, 14) })),
      ),
    },
    training: {
      ...{ sequence_length: 48, batch_size: 4, steps: 6, optimizer: { lr: 2e-3 }, schedule: { warmup: 2 } },
      checkpoint: { every: 2 },
    },
    arms: ['cp', 'inscp'],
    pick: { by: 'texts/byte_perplexity' },
    data_cache: join(folder, 'data-cache'),
    threads: 1,
    seed: 3,
  }
}

const TEMPLATE =
  "{% for m in messages %}{{ '<|tag|>' + m['role'] + ' ' + m['content'] + '<|tag|>' }}{% endfor %}{% if add_generation_prompt %}<|tag|>assistant {% endif %}"

/** The same with models around a byte-pair tokenizer, which can get more tokens. */
export async function withBytePairs(folder, config) {
  mkdirSync(folder, { recursive: true })
  const tokenizer = await byteLevelOn(Array.from({ length: 20 }, (_, i) => words(i, 6)).join(' '), 20)
  const base = await writeBpeModel(join(folder, 'base'), tokenizer)
  writeFileSync(join(base, 'chat_template.jinja'), TEMPLATE)
  const settings = { tokenizer_class: 'PreTrainedTokenizerFast', eos_token: '<|tag|>' }
  writeFileSync(join(base, 'tokenizer_config.json'), JSON.stringify(settings))
  return { ...config, base, chat: await writeDescendant(base, join(folder, 'chat'), { size: 0.2 }) }
}
