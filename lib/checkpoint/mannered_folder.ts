/** The small files of a model with the vocabulary of one and the manners of another: the result of a chat vector. */
import { join } from 'node:path'
import type { Alignment } from '../text/alignment/align'
import type { Manners } from '../text/alignment/manners'
import { mkdir } from '../writes'
import { OTHER_FORMS, withTokens } from './extended_folder'
import { type JsonObject, readJsonObjectIfPresent } from './json_file'
import type { ModelFolder } from './model_folder'
import { carryOver, isTemplate, writeJson, writeText } from './write_folder'

export interface MannersGiven {
  target: ModelFolder
  chat: ModelFolder
  alignment: Pick<Alignment, 'num_rows' | 'special' | 'tokenizerJson'>
  manners: Manners
  /** Further keys of config.json. */
  config?: JsonObject
}

/**
 * Chat template, end-of-turn ids and generation defaults come from the chat model, everything else from the target, with
 * the tokens that it gets. Returns the names of the files left out: the vocabulary in other forms, once it has grown.
 * Throws ERR_NO_SPACE, ERR_IO.
 */
export async function writeWithManners(folder: string, given: MannersGiven): Promise<string[]> {
  const { target, chat, alignment } = given
  const { tokenizerJson } = alignment
  const leftOut = target.auxiliaryFiles.filter(
    (name) => tokenizerJson !== undefined && OTHER_FORMS.test(name),
  )
  const hasTemplate = chat.tokenizer.chatTemplate !== undefined
  const replaced = target.auxiliaryFiles.filter((name) => hasTemplate && isTemplate(name))
  const rewritten = [
    'config.json',
    'generation_config.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    ...(tokenizerJson === undefined ? [] : ['tokenizer.json']),
  ]
  await carryOver(target, folder, new Set([...rewritten, ...replaced, ...leftOut, 'README.md']))
  if (tokenizerJson !== undefined) await writeText(folder, 'tokenizer.json', tokenizerJson)
  await writeConfigs(folder, given)
  await writeTokenFiles(folder, given)
  if (hasTemplate) await writeTemplates(folder, chat)
  return leftOut
}

async function writeConfigs(
  folder: string,
  { target, alignment, manners, config }: MannersGiven,
): Promise<void> {
  const { stopIds, generation } = manners
  const ends = stopIds.length > 0 ? { eos_token_id: stopIds.length === 1 ? stopIds[0] : stopIds } : {}
  await writeJson(folder, 'config.json', {
    ...target.config,
    vocab_size: alignment.num_rows,
    ...config,
    ...ends,
  })
  await writeJson(folder, 'generation_config.json', { ...target.generation.config, ...generation, ...ends })
}

async function writeTokenFiles(
  folder: string,
  { target, chat, alignment: { special }, manners }: MannersGiven,
): Promise<void> {
  const named = Object.entries(manners.specialTokens).filter(
    ([key, token]) => target.tokenizer.specialTokens[key as 'bos_token'] !== token,
  )
  const changed = (table: JsonObject) => ({ ...withTokens(table, { special }), ...Object.fromEntries(named) })
  const { chat_template: own, ...config } = target.tokenizer.config
  const hasTemplate = chat.tokenizer.chatTemplate !== undefined
  const kept = hasTemplate || own === undefined ? config : { ...config, chat_template: own }
  if (Object.keys(target.tokenizer.config).length > 0 || named.length > 0)
    await writeJson(folder, 'tokenizer_config.json', changed(kept))
  const options = { code: 'ERR_TOKENIZER' }
  const map = await readJsonObjectIfPresent(join(target.path, 'special_tokens_map.json'), options)
  if (map) await writeJson(folder, 'special_tokens_map.json', changed(map))
}

async function writeTemplates(folder: string, chat: ModelFolder): Promise<void> {
  const { chatTemplate, chatTemplates } = chat.tokenizer
  await writeText(folder, 'chat_template.jinja', chatTemplate!)
  const named = [...chatTemplates].filter(([name, text]) => name !== 'default' && text !== chatTemplate)
  if (named.length > 0) await mkdir(join(folder, 'additional_chat_templates'), { recursive: true })
  for (const [name, text] of named)
    await writeText(join(folder, 'additional_chat_templates'), `${name}.jinja`, text)
}
