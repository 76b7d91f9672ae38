/** Everything that is known before the first weight is read: tasks with their documents, models with their tokenizers. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { openAdapter } from '../../checkpoint/adapter_folder'
import { type DecoderSpec, decoderSpec } from '../../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import { type InputRecord, recordInput } from '../../checkpoint/provenance'
import { type EvaluateConfig, evaluateSchema } from '../../config/evaluate'
import { checkConfig, configError, readGiven } from '../../config/parse'
import { chooseTasks } from '../../tasks/registry'
import type { TaskGroup } from '../../tasks/task'
import { loadModelText } from '../../text/model_text'
import { VERSION } from '../../version'
import { type JudgingPlan, judgmentsWanted, planJudging } from '../judging/plan'
import { canonicalJson, recordWhole } from '../training/identity'
import { mostNewTokens, rowsOf, turnsAsked } from './answer'
import { ConversationPrompts } from './conversation_prompts'
import { RequestEncoder } from './encode'
import { type Asked, askedOf, promptOptions } from './measure'
import { type OpenGenerationTask, type OpenLikelihoodTask, type OpenTask, openTask } from './open_task'
import { keyOf } from './record'

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
  for (const task of chosen) tasks.push(await openTask(task, config, signal))
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
  model: string
  task: string
  num_fewshot: number
  documents: number
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

export interface Identities {
  /** By model and task, of everything that decides the samples. */
  hashes: Map<string, string>
  /** The files behind them, for provenance.json. */
  inputs: InputRecord[]
}

/** Reads every input once. */
export async function identitiesOf(
  { config, models, tasks, judging }: Plan,
  signal: AbortSignal,
): Promise<Identities> {
  const hashes = new Map<string, string>()
  const inputs: InputRecord[] = []
  const data = new Map<OpenTask, string[]>()
  for (const opened of tasks) {
    const records = []
    for (const file of opened.files) records.push(await recordInput('data', file, [], signal))
    inputs.push(...records.filter(({ path }) => !inputs.some((known) => known.path === path)))
    data.set(
      opened,
      records.map(({ files }) => files[0]!.sha256),
    )
  }
  for (const file of judging?.files ?? []) inputs.push(await recordInput('judge', file, [], signal))
  for (const model of models) {
    const { content, input } = await recordWhole('model', model.folder, signal)
    inputs.push(input)
    const adapter = model.adapter === undefined ? undefined : await recordAdapter(model.adapter, signal)
    if (adapter) inputs.push(adapter)
    for (const opened of tasks) {
      const { name, version } = opened.task
      const told = { name, version, num_fewshot: opened.num_fewshot, data: data.get(opened) }
      const files = adapter?.files.map(({ sha256 }) => sha256)
      const settings = decisive(config, opened)
      hashes.set(keyOf(model.name, name), sha256({ content, files, told, ...settings, VERSION }))
    }
  }
  return { hashes, inputs }
}

async function recordAdapter(path: string, signal: AbortSignal): Promise<InputRecord> {
  const { path: folder, weights } = await openAdapter(path)
  return recordInput('adapter', folder, [basename(weights), 'adapter_config.json'], signal)
}

// Not among them: where things lie, which other models and tasks there are, threads and batches, which may change the
// last bits.
export function decisive(config: EvaluateConfig, { kind }: OpenTask): object {
  const {
    models: _m,
    tasks: _t,
    data: _d,
    out: _o,
    threads: _h,
    batch_tokens: _b,
    num_fewshot: _n,
    generation,
    language_model: _l,
    judge: _j,
    ...rest
  } = config
  return kind === 'generation' ? { ...rest, generation } : rest
}

const sha256 = (content: object) => createHash('sha256').update(canonicalJson(content)).digest('hex')
