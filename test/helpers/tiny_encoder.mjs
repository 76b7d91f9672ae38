// A text encoder's folder of a few thousand parameters: a tokenizer of whole words, and random weights.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
export const WORDS = 'the a dog cat bird sees hears follows old young red blue and then here there'.split(' ')
export const idOf = (word) => [...SPECIAL, ...WORDS].indexOf(word)

/** Writes tokenizer.json and its config. */
export function writeEncoderTokenizer(folder) {
  mkdirSync(folder, { recursive: true })
  const write = (name, content) => writeFileSync(join(folder, name), JSON.stringify(content))
  const around = (piece) => ({ SpecialToken: { id: piece, type_id: 0 } })
  write('tokenizer.json', {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [around('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, around('[SEP]')],
      pair: [around('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, around('[SEP]')],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((token) => [token, { id: token, ids: [idOf(token)], tokens: [token] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries([...SPECIAL, ...WORDS].map((word, id) => [word, id])),
    },
  })
  write('tokenizer_config.json', {
    tokenizer_class: 'BertTokenizer',
    ...Object.fromEntries(
      ['pad', 'unk', 'cls', 'sep', 'mask'].map((name) => [`${name}_token`, `[${name.toUpperCase()}]`]),
    ),
  })
}

/** config.json of a tiny BERT; `changes` are laid over it. */
export const encoderConfig = (changes = {}) => ({
  architectures: ['BertForMaskedLM'],
  model_type: 'bert',
  vocab_size: SPECIAL.length + WORDS.length,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 32,
  ...changes,
})

const INIT = {
  seed: 3,
  embedding_std: 1,
  matrix_std: 0.3,
  matrix_gain: 1,
  attention_output_gain: 1,
  mlp_output_gain: 1,
  correlation: 0,
  related_rows: [],
}

/** Writes a whole folder of random weights for a config.json. */
export async function writeTinyEncoder(folder, config = encoderConfig(), seed = 3) {
  writeEncoderTokenizer(folder)
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const spec = modelSpec(config)
  const model = await runJob('initialiseModel', { spec, init: { ...INIT, seed }, threads: 1 })
  await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 1e9 })
  native().dispose(model)
}

/** Sentences that have something to learn: which words follow which. */
export function sentence(i) {
  const pick = (from, count, step) => WORDS[from + ((i * step) % count)]
  return [
    pick(0, 2, 1),
    pick(8, 4, 3),
    pick(2, 3, 5),
    pick(5, 3, 1),
    pick(0, 2, 7),
    pick(2, 3, 1),
    pick(14, 2, 1),
  ].join(' ')
}
