/** The small files of a model folder that we write: carried over from another one, with what the result changes. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type JsonObject, writeFailed } from './json_file'
import type { ModelFolder } from './model_folder'

/** Throws ERR_NO_SPACE or ERR_IO. */
export function writeText(folder: string, name: string, text: string): Promise<void> {
  const file = join(folder, name)
  return writeFile(file, text).catch(writeFailed(file))
}

/** Throws ERR_NO_SPACE or ERR_IO. */
export const writeJson = (folder: string, name: string, content: unknown): Promise<void> =>
  writeText(folder, name, `${JSON.stringify(content, null, 2)}\n`)

/** Copies all auxiliary files of a model, but those named in `except`. Links become files. Throws ERR_NO_SPACE or ERR_IO. */
export async function carryOver(
  from: ModelFolder,
  to: string,
  except: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const name of from.auxiliaryFiles) {
    if (except.has(name)) continue
    const file = join(to, name)
    await mkdir(dirname(file), { recursive: true }).catch(writeFailed(file))
    await copyFile(join(from.path, name), file).catch(writeFailed(file))
  }
}

const TEMPLATE_FILES = ['chat_template.jinja', 'chat_template.json']
/** Whether a file of a model folder holds a chat template. */
export const isTemplate = (name: string) =>
  TEMPLATE_FILES.includes(name) || name.startsWith('additional_chat_templates/')

/**
 * Writes the small files of a model that has the vocabulary of `target` and the manners of `chat`: chat template,
 * end-of-turn ids and generation defaults come from the chat model, everything else from the target.
 */
export async function writeWithManners(
  folder: string,
  target: ModelFolder,
  chat: ModelFolder,
  stopIds: readonly number[],
): Promise<void> {
  const hasTemplate = chat.tokenizer.chatTemplate !== undefined
  const rewritten = [
    'config.json',
    'generation_config.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
  ]
  const replaced = target.auxiliaryFiles.filter((name) => hasTemplate && isTemplate(name))
  await carryOver(target, folder, new Set([...rewritten, ...replaced, 'README.md']))

  const eos = stopIds.length === 1 ? stopIds[0] : stopIds
  const ends = stopIds.length > 0 ? { eos_token_id: eos } : {}
  await writeJson(folder, 'config.json', { ...target.config, ...ends })
  await writeJson(folder, 'generation_config.json', {
    ...target.generation.config,
    ...chat.generation.config,
    ...ends,
  })

  const eosToken = chat.tokenizer.specialTokens.eos_token
  const { chat_template: own, ...config } = target.tokenizer.config
  const kept = hasTemplate || own === undefined ? config : { ...config, chat_template: own }
  if (Object.keys(target.tokenizer.config).length > 0 || eosToken !== undefined) {
    await writeJson(folder, 'tokenizer_config.json', withEos(kept, eosToken))
  }
  if (target.auxiliaryFiles.includes('special_tokens_map.json')) {
    await writeJson(folder, 'special_tokens_map.json', withEos(target.tokenizer.specialTokens, eosToken))
  }
  if (hasTemplate) await writeTemplates(folder, chat)
}

const withEos = (config: JsonObject, eosToken: string | undefined): JsonObject =>
  eosToken === undefined ? config : { ...config, eos_token: eosToken }

async function writeTemplates(folder: string, chat: ModelFolder): Promise<void> {
  const { chatTemplate, chatTemplates } = chat.tokenizer
  await writeText(folder, 'chat_template.jinja', chatTemplate!)
  const named = [...chatTemplates].filter(([name, text]) => name !== 'default' && text !== chatTemplate)
  if (named.length > 0) await mkdir(join(folder, 'additional_chat_templates'))
  for (const [name, text] of named)
    await writeText(join(folder, 'additional_chat_templates'), `${name}.jinja`, text)
}
