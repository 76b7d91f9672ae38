// The larger model of compress_quality.mjs: a Llama of 1.8 M parameters, trained from random weights on English texts of
// several kinds with a vocabulary learnt from them, long enough that its blocks carry what it says.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { trainVocabulary } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { dataPath } from '../test/helpers/data.mjs'

const TEXTS = [
  'en_tinyshakespeare.txt',
  'en_wikitext2_valid.txt',
  'en_wiki_demo.txt',
  'en_inaugural.jsonl',
  'en_c4_demo.jsonl',
]
const PATHS = TEXTS.map((name) => dataPath(`corpus/${name}`))
const HELD_OUT = 0.02 // of the lines of each, its last ones
const VOCABULARY = 1024
const MODEL = {
  ...{ model_type: 'llama', architectures: ['LlamaForCausalLM'], vocab_size: VOCABULARY },
  ...{ hidden_size: 192, intermediate_size: 512, num_hidden_layers: 4 },
  ...{ num_attention_heads: 6, num_key_value_heads: 3, max_position_embeddings: 512 },
  ...{ rms_norm_eps: 1e-5, rope_theta: 10000, hidden_act: 'silu', tie_word_embeddings: true },
}
const LEARNING = {
  optimizer: { lr: 2e-3, betas: [0.9, 0.95], weight_decay: 0.1 },
  schedule: { kind: 'wsd', warmup: 100, decay: 0.3 },
  checkpoint: { every: 250, keep: 1 },
}

export const ROWS = { sequence_length: 128, batch_size: 8 }
export const STEPS = 2000

/** What is needed and not there. */
export const absent = () => PATHS.filter((path) => !existsSync(path))

/** The texts without the last lines of each, and those: sources of data. */
export function writeTexts(folder) {
  const [data, heldOut] = [[], []]
  for (const [i, path] of PATHS.entries()) {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    const cut = lines.length - Math.max(1, Math.round(HELD_OUT * lines.length))
    data.push(source(join(folder, 'learnt'), TEXTS[i], lines.slice(0, cut)))
    heldOut.push(source(join(folder, 'held_out'), TEXTS[i], lines.slice(cut)))
  }
  return { data, heldOut }
}

function source(folder, name, lines) {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, `${lines.join('\n')}\n`)
  return name.endsWith('.jsonl') ? { path } : { path, split: 'paragraph' }
}

/** Trains the model in `folder`, or goes on where an earlier call was stopped: { model, report }. */
export async function trainBase({ folder, data, heldOut, steps, threads, onProgress }) {
  const tokenizer = join(folder, 'tokenizer')
  if (!existsSync(tokenizer))
    await trainVocabulary({ data: data.map(({ path }) => path), size: VOCABULARY, out: tokenizer })
  const run = train(
    {
      ...{ ...LEARNING, ...ROWS },
      ...{ init: MODEL, tokenizer, data, steps, threads },
      out: join(folder, 'base'),
      eval: { every: 500, data: heldOut },
      seed: 1,
    },
    { resume: true },
  )
  for await (const event of run) onProgress(event)
  return run.result
}
