/** The small files of a model whose vocabulary has grown. */
import { join } from 'node:path'
import { addedEntry, type NewSpecialToken } from '../text/special_tokens'
import { type JsonObject, readJsonObjectIfPresent } from './json_file'
import type { ModelFolder } from './model_folder'
import { carryOver, isTemplate, writeJson, writeText } from './write_folder'

export interface ExtendedVocabulary {
  /** Absent: the model's own stays, with the vocabulary in its other forms. */
  tokenizerJson?: string | undefined
  /** Rows of the embedding. */
  vocabSize: number
  /** Special tokens that are new. */
  special: readonly NewSpecialToken[]
  /** Becomes the template of plain chat. */
  chatTemplate?: string | undefined
  /** Becomes `eos_token`. */
  eosToken?: string | undefined
  /** Ids that end a generation from now on, with those that did. */
  stopIds: readonly number[]
}

/** The vocabulary in other forms, which we do not write: left in place, it would contradict tokenizer.json. */
export const OTHER_FORMS =
  /^(tokenizer\.model.*|spiece\.model|sentencepiece\.bpe\.model|vocab\.(json|txt)|merges\.txt|added_tokens\.json)$/

/**
 * Writes all of them but the weights; what need not change is copied. Returns the names of the files left out. Throws
 * ERR_NO_SPACE, ERR_IO.
 */
export async function writeExtended(
  folder: string,
  model: ModelFolder,
  vocabulary: ExtendedVocabulary,
): Promise<string[]> {
  const { chatTemplate, tokenizerJson } = vocabulary
  const replaced = (name: string) => tokenizerJson !== undefined && OTHER_FORMS.test(name)
  const leftOut = model.auxiliaryFiles.filter(replaced)
  const templates = model.auxiliaryFiles.filter((name) => chatTemplate !== undefined && isTemplate(name))
  await carryOver(model, folder, new Set([...leftOut, ...templates, 'README.md']))
  if (tokenizerJson !== undefined) await writeText(folder, 'tokenizer.json', tokenizerJson)
  await writeConfigs(folder, model, vocabulary)
  await writeTokenFiles(folder, model, vocabulary)
  if (chatTemplate !== undefined) await writeText(folder, 'chat_template.jinja', chatTemplate)
  return leftOut
}

async function writeConfigs(folder: string, model: ModelFolder, vocabulary: ExtendedVocabulary) {
  const ends = endsOf(vocabulary)
  await writeJson(folder, 'config.json', { ...model.config, vocab_size: vocabulary.vocabSize, ...ends })
  if (vocabulary.stopIds.length > 0)
    await writeJson(folder, 'generation_config.json', { ...model.generation.config, ...ends })
}

function endsOf({ stopIds }: ExtendedVocabulary): JsonObject {
  return stopIds.length === 0 ? {} : { eos_token_id: stopIds.length === 1 ? stopIds[0] : stopIds }
}

// tokenizer_config.json and special_tokens_map.json, where something in them changes.
async function writeTokenFiles(folder: string, model: ModelFolder, vocabulary: ExtendedVocabulary) {
  const { special, chatTemplate, eosToken } = vocabulary
  if (special.length === 0 && chatTemplate === undefined && eosToken === undefined) return
  const { chat_template: _, ...config } = model.tokenizer.config
  const base = chatTemplate === undefined ? model.tokenizer.config : config
  await writeJson(folder, 'tokenizer_config.json', withTokens(base, vocabulary))
  const map = await readJsonObjectIfPresent(join(model.path, 'special_tokens_map.json'), {
    code: 'ERR_TOKENIZER',
  })
  if (map) await writeJson(folder, 'special_tokens_map.json', withTokens(map, vocabulary))
}

/** Lists of special tokens grow where they stand; tokenizer.json itself is what counts. */
export function withTokens(
  table: JsonObject,
  { special, eosToken }: Pick<ExtendedVocabulary, 'special' | 'eosToken'>,
): JsonObject {
  const rows = special.map(addedEntry).map(({ id, ...entry }) => [String(id), entry])
  const grown: JsonObject = { ...table }
  if (typeof table.added_tokens_decoder === 'object' && table.added_tokens_decoder !== null)
    grown.added_tokens_decoder = { ...table.added_tokens_decoder, ...Object.fromEntries(rows) }
  for (const key of ['additional_special_tokens', 'extra_special_tokens'])
    if (Array.isArray(table[key])) grown[key] = [...table[key], ...special.map(({ content }) => content)]
  if (eosToken !== undefined) grown.eos_token = eosToken
  return grown
}
