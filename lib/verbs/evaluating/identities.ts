/** What decides the samples of a task, and the answers behind them: a run that goes on keeps what is as it was. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { openAdapter } from '../../checkpoint/adapter_folder'
import { type InputRecord, recordInput } from '../../checkpoint/provenance'
import type { EvaluateConfig } from '../../config/evaluate'
import { VERSION } from '../../version'
import { canonicalJson, recordWhole } from '../training/identity'
import { settingsOf } from './answer'
import { findersOf } from './findings'
import type { OpenGenerationTask, OpenTask } from './open_task'
import type { Plan, PlannedModel } from './plan'
import { keyOf } from './record'

export interface Identities {
  /** By model and task, of everything that decides the samples. */
  hashes: Map<string, string>
  /** The same of what decides the answers alone, where the model writes them. */
  answers: Map<string, string>
  /** The files behind them, for provenance.json. */
  inputs: InputRecord[]
}

/** Reads every input once. */
export async function identitiesOf(plan: Plan, signal: AbortSignal): Promise<Identities> {
  const { config, models, tasks, judging } = plan
  const [hashes, answers] = [new Map<string, string>(), new Map<string, string>()]
  const inputs = new Inputs()
  const ofTasks = new Map<OpenTask, object>()
  for (const opened of tasks) {
    const { identity, inputs: files } = await identityOfTask(opened, config, signal)
    ofTasks.set(opened, identity)
    inputs.add(...files)
  }
  for (const file of judging?.files ?? []) inputs.add(await recordInput('judge', file, [], signal))
  for (const model of models) {
    const weights = await identityOfModel(model, inputs, signal)
    for (const opened of tasks) {
      const key = keyOf(model.name, opened.task.name)
      hashes.set(key, sha256({ ...weights, ...ofTasks.get(opened), ...decisive(config, opened), VERSION }))
      if (opened.kind === 'generation')
        answers.set(key, sha256({ ...weights, ...askedBy(opened, config), VERSION }))
    }
  }
  return { hashes, answers, inputs: inputs.all }
}

/** Each once, by its path. */
class Inputs {
  readonly all: InputRecord[] = []

  add(...more: readonly InputRecord[]): void {
    this.all.push(...more.filter(({ path }) => !this.all.some((known) => known.path === path)))
  }
}

/** Of a task: its data, its version, and what its answers are measured by. */
export async function identityOfTask(
  opened: OpenTask,
  config: EvaluateConfig,
  signal: AbortSignal,
): Promise<{ identity: object; inputs: InputRecord[] }> {
  const inputs = []
  for (const file of opened.files) inputs.push(await recordInput('data', file, [], signal))
  const { name, version } = opened.task
  const data = inputs.map(({ files }) => files[0]!.sha256)
  const identity = { told: { name, version, num_fewshot: opened.num_fewshot, data } }
  if (opened.kind !== 'generation') return { identity, inputs }
  const found = []
  for (const finder of findersOf(opened.task)) {
    const one = await finder.identity({ task: opened.task, config, signal })
    inputs.push(...one.inputs)
    found.push(one.identity)
  }
  return { identity: { ...identity, found }, inputs }
}

async function identityOfModel(model: PlannedModel, inputs: Inputs, signal: AbortSignal): Promise<object> {
  const { content, input } = await recordWhole('model', model.folder, signal)
  inputs.add(input)
  if (model.adapter === undefined) return { content }
  const adapter = await recordAdapter(model.adapter, signal)
  inputs.add(adapter)
  return { content, files: adapter.files.map(({ sha256: hash }) => hash) }
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
    scorers: _s,
    ...rest
  } = config
  return kind === 'generation' ? { ...rest, generation } : rest
}

/** What decides answers beside the model: conversations, how they are asked, and how answers are drawn. */
function askedBy({ task, numbers, conversations }: OpenGenerationTask, config: EvaluateConfig): object {
  const { system_instruction, fewshot_as_multiturn, max_length, add_bos_token, dtype, device } = config
  const { chat_template } = config.generation
  const { description, target_delimiter, fewshot_delimiter } = task
  return {
    ...{ system_instruction, fewshot_as_multiturn, max_length, add_bos_token, dtype, device, chat_template },
    ...{ description, target_delimiter, fewshot_delimiter },
    conversations: conversations.map(({ description: own, messages, examples, later, ...one }, i) => ({
      ...{
        ...(own !== undefined && { description: own }),
        messages,
        examples,
        later,
        ...(numbers[i] !== i && { number: numbers[i] }),
      },
      settings: settingsOf(task, { messages, ...one }, config),
    })),
  }
}

const sha256 = (content: object) => createHash('sha256').update(canonicalJson(content)).digest('hex')
