/** The model that gets more tokens, and what is read beside it. */
import { join } from 'node:path'
import { readTextFile } from '../../checkpoint/json_file'
import { type DecoderSpec, decoderSpec } from '../../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import type { VocabExtendConfig } from '../../config/vocab_extend'
import { TongueforgeError } from '../../errors'
import { BpeFile } from '../../text/bpe/bpe_file'
import type { NewSpecialToken } from '../../text/special_tokens'
import { Tokenizer } from '../../text/tokenizer'
import { stopIdsOf } from './ends'
import { checkOptions, type ExtendVocabularyOptions } from './options'
import { planRows } from './rows'
import { filesOf } from './sources'

export interface Inputs {
  model: ModelFolder
  spec: DecoderSpec
  config: VocabExtendConfig
  tokenizer: Tokenizer
  file: BpeFile
  special: NewSpecialToken[]
  /** The tokenizer with the special tokens, which learning goes on from. */
  tagged: BpeFile
  chatTemplate: string | undefined
  /** Ids that end a generation; none where nothing about ends was given. */
  stopIds: number[]
  /** Files of data that are read, by what they are for. */
  files: Record<'data' | 'held_out' | 'chat_template', string[]>
}

const MAX_TOKENIZER_BYTES = 256 * 2 ** 20

/** What can be refused before data are read is refused here. */
export async function load(options: ExtendVocabularyOptions): Promise<Inputs> {
  const config = checkOptions(options)
  const model = await openModelFolder(options.model)
  const spec = decoderSpec(model.config, model.configFile)
  const tokenizer = await Tokenizer.load(model.path)
  const place = join(model.path, 'tokenizer.json')
  const text = await readTextFile(place, { code: 'ERR_TOKENIZER', maxBytes: MAX_TOKENIZER_BYTES })
  const file = new BpeFile(text, place)
  if (file.size > spec.vocab_size) throw tooFewRows(model.path, file.size, spec.vocab_size)
  const special = newSpecialTokens(file, config.special_tokens)
  const tagged = special.length === 0 ? text : file.extended(special, [])
  const chatTemplate =
    config.chat_template === undefined
      ? undefined
      : await readTextFile(config.chat_template, { code: 'ERR_TEMPLATE' })
  const stopIds = stopIdsOf(model, Tokenizer.fromJson(tagged), config, chatTemplate)
  await planRows({ model: model.path, spec, first: file.size, pieces: [] })
  const files = {
    data: await filesOf(config.data),
    held_out: await filesOf(config.held_out),
    chat_template: [config.chat_template ?? []].flat(),
  }
  const opened = { model, spec, config, tokenizer, file, tagged: new BpeFile(tagged, place) }
  return { ...opened, special, chatTemplate, stopIds, files }
}

function newSpecialTokens(file: BpeFile, contents: readonly string[]): NewSpecialToken[] {
  const there = contents.filter((content, i) => file.has(content) || contents.indexOf(content) < i)
  if (there.length === 0) return contents.map((content, i) => ({ id: file.size + i, content }))
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected new tokens, received ${there.map((token) => JSON.stringify(token)).join(', ')}: there already`,
    { hint: 'Leave them out: the template can use them as they are.', details: { tokens: there } },
  )
}

function tooFewRows(path: string, tokens: number, rows: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `${path}: expected a row for each of the ${tokens} tokens of tokenizer.json, config.json says ${rows}`,
    { hint: 'Take tokenizer.json and weights of one model.', details: { path, tokens, rows } },
  )
}
