/** What is known before text is read: how it is cut, and which tokens are there without learning. */
import { readTextFile } from '../../../checkpoint/json_file'
import { type ModelFolder, openTokenizerFolder } from '../../../checkpoint/model_folder'
import type { VocabTrainConfig } from '../../../config/vocab_train'
import { TongueforgeError } from '../../../errors'
import { type Blueprint, blueprintLike, ownBlueprint, specialToken } from '../../../text/bpe/blueprint'
import { BYTE_CHARACTERS } from '../../../text/bpe/fresh'
import { ChatTemplate } from '../../../text/chat_template'
import { filesOf } from '../sources'
import { checkOptions, type TrainVocabularyOptions } from './options'

export interface Plan {
  config: VocabTrainConfig
  like: ModelFolder | undefined
  blueprint: Blueprint
  template: string | undefined
  /** bos_token, eos_token and pad_token, those that there are. */
  named: Record<string, string>
  /** Files that are read, by what they are for: for provenance and against overwriting them. */
  files: Record<'data' | 'chat_template', string[]>
}

const END_OF_TEXT = '<|endoftext|>'

/** Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_DATA, ERR_TOKENIZER, ERR_TEMPLATE. */
export async function planTraining(options: TrainVocabularyOptions): Promise<Plan> {
  const config = checkOptions(options)
  const like = config.like === undefined ? undefined : await openTokenizerFolder(config.like)
  const named = namedTokens(config, like)
  const blueprint = like ? await blueprintLike(like.path) : ownBlueprint(named.bos_token)
  for (const token of [...Object.values(named), ...config.special_tokens])
    if (!blueprint.special.some(({ content }) => content === token))
      blueprint.special.push(specialToken(token))
  checkSpecial(blueprint)
  checkSize(config, blueprint)
  const template = await templateOf(config, named)
  const files = { data: await filesOf(config.data), chat_template: [config.chat_template ?? []].flat() }
  return { config, like, blueprint, template, named, files }
}

function namedTokens(config: VocabTrainConfig, like: ModelFolder | undefined): Record<string, string> {
  const of = like?.tokenizer.specialTokens ?? {}
  const bosToken = config.bos_token ?? of.bos_token
  const padToken = config.pad_token ?? of.pad_token
  return {
    ...(bosToken !== undefined && { bos_token: bosToken }),
    eos_token: config.eos_token ?? of.eos_token ?? END_OF_TEXT,
    ...(padToken !== undefined && { pad_token: padToken }),
  }
}

async function templateOf(
  { chat_template: file }: VocabTrainConfig,
  tokens: Record<string, string>,
): Promise<string | undefined> {
  if (file === undefined) return undefined
  const template = await readTextFile(file, { code: 'ERR_TEMPLATE' })
  new ChatTemplate(template, { tokens, name: file })
  return template
}

/** Two tokens of one text would be one. */
function checkSpecial({ special }: Blueprint): void {
  const byte = special.find(({ content }) => BYTE_CHARACTERS.includes(content))
  if (byte === undefined) return
  const token = byte.content
  throw new TongueforgeError(
    'ERR_CONFIG',
    `vocab train: special tokens: expected other texts than the 256 bytes have, received ${JSON.stringify(token)}`,
    { hint: `Put something around it: <|${token}|>`, details: { token } },
  )
}

function checkSize({ size }: VocabTrainConfig, { special }: Blueprint): void {
  const least = BYTE_CHARACTERS.length + special.length + 1
  if (size >= least) return
  throw new TongueforgeError(
    'ERR_CONFIG',
    `vocab train: size: expected at least ${least} (256 bytes, ${special.length} special tokens, one more), received ${size}`,
    { hint: 'Some thousands are usual, 32000 the default.', details: { key: 'size', size, least } },
  )
}
