import { join } from 'node:path'
import { TongueforgeError } from '../errors'
import { readdir } from '../files'
import {
  describeValue,
  type JsonObject,
  readJsonObjectIfPresent,
  readTextFile,
  readTextFileIfPresent,
} from './json_file'
import { checkTemplateLink } from './links'

// The small files beside tokenizer.json that say which tokens are special and how a conversation is written.

const OPTIONS = { code: 'ERR_TOKENIZER' } as const
const SPECIAL_TOKEN_KEYS = ['bos_token', 'eos_token', 'pad_token', 'unk_token', 'mask_token'] as const

export interface TokenizerFiles {
  /** As text, those that the folder names. */
  specialTokens: Partial<Record<(typeof SPECIAL_TOKEN_KEYS)[number], string>>
  /** The key add_bos_token; tokenizer.json's post-processor is what counts. */
  addBosToken: boolean | undefined
  /** The template for plain chat, and all templates by name. */
  chatTemplate: string | undefined
  chatTemplates: ReadonlyMap<string, string>
  /** tokenizer_config.json as it is. */
  config: JsonObject
}

/**
 * Reads tokenizer_config.json, special_tokens_map.json and the chat template files of a model folder; all may be
 * absent. Throws ERR_TOKENIZER (file, key, received) for content of the wrong type.
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const file = join(folder, 'tokenizer_config.json')
  const config = (await readJsonObjectIfPresent(file, OPTIONS)) ?? {}
  const mapFile = join(folder, 'special_tokens_map.json')
  const map = (await readJsonObjectIfPresent(mapFile, OPTIONS)) ?? {}
  const chatTemplates = await readTemplates(folder, config, file)
  const only = chatTemplates.size === 1 ? [...chatTemplates.values()][0] : undefined
  return {
    specialTokens: { ...specialTokens(map, mapFile), ...specialTokens(config, file) },
    addBosToken: typeof config.add_bos_token === 'boolean' ? config.add_bos_token : undefined,
    chatTemplate: chatTemplates.get('default') ?? only,
    chatTemplates,
    config,
  }
}

/** A special token stands as text or as a table {content, lstrip, ...}; null means that there is none. */
function specialTokens(table: JsonObject, file: string): TokenizerFiles['specialTokens'] {
  const tokens: TokenizerFiles['specialTokens'] = {}
  for (const key of SPECIAL_TOKEN_KEYS) {
    const value = table[key]
    if (value == null) continue
    const text = typeof value === 'object' ? (value as JsonObject).content : value
    if (typeof text !== 'string') throw wrongType(file, key, 'a token as text or {"content": text}', value)
    tokens[key] = text
  }
  return tokens
}

/**
 * Where templates stand, the later winning: `chat_template` of tokenizer_config.json (one text, or a list of
 * {name, template}), chat_template.json, chat_template.jinja, and additional_chat_templates/NAME.jinja.
 */
async function readTemplates(folder: string, config: JsonObject, file: string): Promise<Map<string, string>> {
  const templates = new Map(templatesOfConfig(config.chat_template, file))
  const jsonFile = join(folder, 'chat_template.json')
  const json = await readJsonObjectIfPresent(jsonFile, OPTIONS)
  if (json)
    for (const [name, text] of templatesOfConfig(json.chat_template, jsonFile)) templates.set(name, text)
  await checkTemplateLink(folder, 'chat_template.jinja')
  const jinja = await readTextFileIfPresent(join(folder, 'chat_template.jinja'), OPTIONS)
  if (jinja !== undefined) templates.set('default', jinja)
  for (const relative of await additionalTemplates(folder)) {
    const name = relative.slice(relative.indexOf('/') + 1, -'.jinja'.length)
    await checkTemplateLink(folder, relative)
    templates.set(name, await readTextFile(join(folder, relative), OPTIONS))
  }
  return templates
}

/** Paths of the named templates, relative to the model folder. */
export async function additionalTemplates(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'additional_chat_templates')).catch(() => [])
  return names
    .filter((name) => name.endsWith('.jinja'))
    .sort()
    .map((name) => `additional_chat_templates/${name}`)
}

function templatesOfConfig(value: unknown, file: string): [name: string, template: string][] {
  if (value == null) return []
  if (typeof value === 'string') return [['default', value]]
  if (!Array.isArray(value))
    throw wrongType(file, 'chat_template', 'text or a list of {name, template}', value)
  return value.map((entry: JsonObject | null) => {
    const { name, template } = entry ?? {}
    if (typeof name === 'string' && typeof template === 'string') return [name, template]
    throw wrongType(file, 'chat_template', 'a list of {name, template}', entry)
  })
}

function wrongType(file: string, key: string, expected: string, received: unknown): TongueforgeError {
  return new TongueforgeError(
    'ERR_TOKENIZER',
    `${file}: ${key}: expected ${expected}, received ${describeValue(received)}`,
    {
      hint: 'Compare the file with the one that the model was published with.',
      details: { file, key, expected, received },
    },
  )
}
