// What a merge left in a folder, as the comparison of two programs wants it.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTensors } from './safetensors.mjs'

/**
 * Reads a model folder whole: tensors {name: {dtype, shape, bytes}} of all its files, `config` (the keys that a merge
 * decides), `tokens` {text: id} of its tokenizer, and `index`, where there is one.
 */
export function readResult(folder) {
  const json = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
  const config = json('config.json')
  return {
    tensors: Object.assign({}, ...files.sort().map((file) => readTensors(join(folder, file)))),
    config: {
      num_hidden_layers: config.num_hidden_layers,
      vocab_size: config.vocab_size,
      tie_word_embeddings: config.tie_word_embeddings,
      dtype: config.dtype ?? config.torch_dtype,
    },
    tokens: tokenIds(json('tokenizer.json')),
    template: templateOf(folder, json),
    index: existsSync(join(folder, 'model.safetensors.index.json'))
      ? json('model.safetensors.index.json')
      : undefined,
  }
}

function tokenIds({ model, added_tokens: added }) {
  return { ...model.vocab, ...Object.fromEntries(added.map(({ content, id }) => [content, id])) }
}

function templateOf(folder, json) {
  const file = join(folder, 'chat_template.jinja')
  return existsSync(file) ? readFileSync(file, 'utf8') : json('tokenizer_config.json').chat_template
}
