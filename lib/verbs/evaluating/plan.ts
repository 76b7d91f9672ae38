import { basename } from 'node:path'
import { type DecoderSpec, decoderSpec } from '../../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import { type EvaluateConfig, evaluateSchema } from '../../config/evaluate'
import { checkConfig, configError, readGiven } from '../../config/parse'
import { listedOnce } from '../../tasks/data'
import { chooseTasks } from '../../tasks/registry'
import type { TaskGroup } from '../../tasks/task'
import { loadModelText } from '../../text/model_text'
import { type JudgingPlan, judgmentsWanted, planJudging } from '../judging/plan'
import { mostNewTokens, rowsOf, turnsAsked } from './answer'
import { ConversationPrompts } from './conversation_prompts'
import { RequestEncoder } from './encode'
import { findersOf } from './findings'
import { type Asked, askedOf, promptOptions } from './measure'
import { type OpenGenerationTask, type OpenLikelihoodTask, type OpenTask, openTask } from './open_task'

export interface PlannedModel {
  name: string
  path: string
  adapter: string | undefined
  folder: ModelFolder
  spec: DecoderSpec
  maxLength: number
}

export interface Plan {
  config: EvaluateConfig
  models: PlannedModel[]
  tasks: OpenTask[]
  groups: TaskGroup[]
  /** Where a judge is asked. */
  judging: JudgingPlan | undefined
}

/** A YAML file or an object, then overrides. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_USAGE. */
export async function readEvaluateConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<{ config: EvaluateConfig; file: string }> {
  const { file, raw } = await readGiven(source, overrides)
  return { config: checkConfig(evaluateSchema, raw, file), file }
}

/** Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_DATA, ERR_MODEL_CONFIG. */
export async function planEvaluation(
  config: EvaluateConfig,
  file: string,
  signal: AbortSignal,
): Promise<Plan> {
  const { tasks: chosen, groups } = await chooseTasks(config.tasks)
  const models: PlannedModel[] = []
  for (const [i, model] of config.models.entries()) models.push(await planModel(model, i, config, file))
  checkNames(models, file)
  const tasks: OpenTask[] = []
  const list = listedOnce()
  for (const task of chosen) {
    tasks.push(await openTask(task, config, signal, list))
    if (task.kind === 'generation')
      for (const finder of findersOf(task)) await finder.check?.({ task, config, signal }, file)
  }
  const names = models.map(({ name }) => name)
  const judging = await planJudging(config, { tasks, models: names, file }, signal)
  return { config, models, tasks, groups, judging }
}

async function planModel(
  { path, name, adapter }: EvaluateConfig['models'][number],
  number: number,
  { max_length }: EvaluateConfig,
  file: string,
): Promise<PlannedModel> {
  const folder = await openModelFolder(path)
  const spec = decoderSpec(folder.config, folder.configFile, { quantized: true })
  if (max_length !== undefined && max_length > spec.max_positions) {
    const key = 'max_length'
    const most = `${spec.max_positions}, the positions of models.${number}`
    throw configError(file, `${key}: expected at most ${most}, received ${max_length}`, { key })
  }
  const maxLength = max_length ?? spec.max_positions
  return { name: name ?? nameOf(path, folder), path, adapter, folder, spec, maxLength }
}

/** A run folder is called by its own name, not by that of the `model` in it. */
function nameOf(path: string, folder: ModelFolder): string {
  const name = basename(path.replace(/[\\/]+$/, '')) || basename(folder.path)
  return name.replaceAll(/[^\w.-]/g, '_').replace(/^[^A-Za-z0-9]+/, '') || 'model'
}

function checkNames(models: readonly PlannedModel[], file: string): void {
  const names = models.map(({ name }) => name)
  const twice = names.findIndex((name, i) => names.indexOf(name) !== i)
  if (twice < 0) return
  throw configError(file, `models.${twice}: expected a name of its own, received ${names[twice]} twice`, {
    hint: 'Give it a name: { path: FOLDER, name: NAME }, on the command line NAME=FOLDER.',
    key: `models.${twice}`,
  })
}

/** What somebody should know before hours of work. */
export function remarksOn({ config, models, tasks }: Plan): string[] {
  const judged = tasks.some(({ task }) => 'judged' in task && task.judged !== undefined)
  const asks = judged && config.generation.chat_template === 'auto'
  const without = models.filter(({ folder }) => asks && folder.tokenizer.chatTemplate === undefined)
  return without.map(({ name }) => `${name} has no chat template: questions are put to it as plain text`)
}

/** The requests of one task, in the words of one model. */
export async function askedOfModel(
  opened: OpenLikelihoodTask,
  { folder, maxLength }: PlannedModel,
  config: EvaluateConfig,
): Promise<Asked[]> {
  const encoder = await RequestEncoder.open(folder, { maxLength, addBosToken: config.add_bos_token })
  const template = config.chat_template ? (await loadModelText(folder)).template : undefined
  return askedOf(opened, encoder, promptOptions(config, template))
}

/** What is asked, without asking it. */
export interface ForetoldTask {
  /** As `models` calls it. */
  model: string
  /** Its name. */
  task: string
  /** Examples before each question. */
  num_fewshot: number
  /** Of the task. */
  documents: number
  /** To the model. */
  requests: number
  /** That the model reads, before what is alike is read once; of conversations, the first prompts. */
  tokens: number
  /** That are to be foretold, or that it writes at most. */
  targets: number
  /** That a judge is asked for, where there is one. */
  judgments?: number
}

export async function foretell(plan: Plan, signal: AbortSignal): Promise<ForetoldTask[]> {
  const foretold: ForetoldTask[] = []
  for (const model of plan.models) {
    for (const opened of plan.tasks) {
      signal.throwIfAborted()
      foretold.push({
        ...{ model: model.name, task: opened.task.name, num_fewshot: opened.num_fewshot },
        documents: opened.docs.length,
        ...(opened.kind === 'generation'
          ? await foretoldAnswers(opened, model, plan.config)
          : await foretoldLikelihoods(opened, model, plan.config)),
        ...(plan.judging && { judgments: judgmentsWanted(plan.judging, model.name, opened.task.name) }),
      })
    }
  }
  return foretold
}

type Counts = Pick<ForetoldTask, 'requests' | 'tokens' | 'targets'>

async function foretoldLikelihoods(
  opened: OpenLikelihoodTask,
  model: PlannedModel,
  config: EvaluateConfig,
): Promise<Counts> {
  const requests = (await askedOfModel(opened, model, config)).flatMap((one) => one.requests)
  return {
    requests: requests.length,
    tokens: requests.reduce((sum, { ids }) => sum + ids.length - 1, 0),
    targets: requests.reduce((sum, { ids, firstTarget }) => sum + ids.length - firstTarget, 0),
  }
}

async function foretoldAnswers(
  opened: OpenGenerationTask,
  model: PlannedModel,
  config: EvaluateConfig,
): Promise<Counts> {
  const prompts = await ConversationPrompts.open(model, config)
  const none = opened.conversations.map(() => [])
  const rows = await rowsOf(opened, prompts, config, none, 0)
  return {
    requests: opened.conversations.reduce((sum, one) => sum + turnsAsked(one), 0),
    tokens: rows.reduce((sum, { prompt }) => sum + prompt.ids.length, 0),
    targets: mostNewTokens(opened, config),
  }
}
