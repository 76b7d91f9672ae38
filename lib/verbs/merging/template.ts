/** The chat template of a merged model, and the ids that end its turns. */
import { join } from 'node:path'
import { readTextFile } from '../../checkpoint/json_file'
import type { MergeConfig } from '../../config/merge'
import { TongueforgeError } from '../../errors'
import { ChatTemplate } from '../../text/chat_template'
import { turnEnd } from '../../text/model_text'
import { PRESET_TEMPLATES } from '../../text/preset_templates'
import { Tokenizer } from '../../text/tokenizer'
import { type MergeModels, mergedOf } from './references'
import type { VocabularyPlan } from './vocabulary'

export interface TemplatePlan {
  /** Absent: the template of the model that gives the tokenizer. */
  chatTemplate?: string
  /** Ids that end a generation; none where the template stays. */
  stopIds: readonly number[]
  warnings: string[]
}

const MAX_TOKENIZER_BYTES = 256 << 20

/** Throws ERR_TEMPLATE for a template that cannot be read, ERR_CONFIG for `auto` where no model has one. */
export async function planTemplate(
  config: MergeConfig,
  models: MergeModels,
  vocabulary: VocabularyPlan,
): Promise<TemplatePlan> {
  const { folder } = models.get(vocabulary.owner)!
  if (config.chat_template === undefined)
    return { stopIds: [], warnings: templateElsewhere(config, models, vocabulary) }
  const chatTemplate =
    config.chat_template === 'auto'
      ? mostCommon(config, models)
      : (PRESET_TEMPLATES[config.chat_template] ?? config.chat_template)
  const tokens = folder.tokenizer.specialTokens
  const template = new ChatTemplate(chatTemplate, { tokens, name: 'chat_template' })
  const file = join(folder.path, 'tokenizer.json')
  const json =
    vocabulary.union?.vocabulary.json ??
    (await readTextFile(file, { code: 'ERR_TOKENIZER', maxBytes: MAX_TOKENIZER_BYTES }))
  const end = turnEnd(template, Tokenizer.fromJson(json, file))
  if (end !== undefined) {
    const stopIds = [...new Set([...folder.generation.eosTokenIds, end])].sort((a, b) => a - b)
    return { chatTemplate, stopIds, warnings: [] }
  }
  const warning =
    'chat_template: no token of the result closes a turn of this template: answers may not end by themselves'
  return { chatTemplate, stopIds: [], warnings: [warning] }
}

/** Of the models that are merged; of equally common ones the first. */
function mostCommon(config: MergeConfig, models: MergeModels): string {
  const counts = new Map<string, number>()
  for (const model of mergedOf(config)) {
    const template = models.get(model)!.folder.tokenizer.chatTemplate
    if (template !== undefined) counts.set(template, (counts.get(template) ?? 0) + 1)
  }
  const [common] = [...counts].sort((a, b) => b[1] - a[1])
  if (common) return common[0]
  throw new TongueforgeError(
    'ERR_TEMPLATE',
    'chat_template: expected a model with a template for auto, found none',
    {
      hint: 'Name one: chat_template: chatml, or write it out.',
    },
  )
}

/** A chat vector with base_model as the origin would leave its result without the manners that it was made for. */
function templateElsewhere(config: MergeConfig, models: MergeModels, { owner }: VocabularyPlan): string[] {
  const has = (model: string) => models.get(model)!.folder.tokenizer.chatTemplate !== undefined
  const other = has(owner) ? undefined : mergedOf(config).find(has)
  if (other === undefined) return []
  return [
    `the result has no chat template, as ${owner} has none, though ${other} has one: ` +
      `\`tokenizer: {source: ${other}}\` takes tokenizer, template and end-of-turn ids from there, \`chat_template: auto\` the template`,
  ]
}
