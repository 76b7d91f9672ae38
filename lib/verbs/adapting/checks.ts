/** What stands against an adaptation is met before its first stage: models, texts, tasks, the keys of every stage. */
import { decoderSpec } from '../../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import type { AdaptConfig } from '../../config/adapt'
import type { EvaluateConfig } from '../../config/evaluate'
import { configError } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { realpath } from '../../files'
import { PERPLEXITIES } from '../../tasks/metrics'
import { chooseTasks } from '../../tasks/registry'
import { resolveSource, type Source } from '../../text/documents'
import { loadModelText } from '../../text/model_text'
import { planEvaluation, readEvaluateConfig } from '../evaluating/plan'
import { metricNames } from '../evaluating/record'
import { best } from '../reporting/paper_tables'
import type { ReadConfig } from './config'
import type { AdaptFolder } from './folder'
import { type NeededStage, needsOf } from './needs'
import { cutMeasure } from './pick'
import { planAll, START } from './plan'

/** Resolves with what the stages need; warns of texts that are learnt and measured. Throws ERR_CONFIG that names arm and key, ERR_NOT_FOUND, ERR_DATA, ERR_TEMPLATE, ERR_MODEL_CONFIG. */
export async function checkAdaptation(
  read: ReadConfig,
  folder: AdaptFolder,
  signal: AbortSignal,
  warn: (message: string) => void,
): Promise<NeededStage[]> {
  const { config, file } = read
  await checkModels(config)
  for (const source of sourcesOf(config)) await resolveSource(source)
  await warnOfUsedTexts(config, warn)
  await checkTasks(config, file, signal)
  return needsOf(
    planAll(read, [...Object.keys(config.held_out), ...config.evaluate.tasks]),
    folder,
    file,
    signal,
  )
}

async function checkModels({ chat, base }: AdaptConfig): Promise<void> {
  const opened = await openDecoder(chat)
  if (base !== undefined) await openDecoder(base)
  if ((await loadModelText(opened)).template !== undefined) return
  throw new TongueforgeError(
    'ERR_TEMPLATE',
    `${opened.path}: expected a chat model with a template, found none`,
    {
      hint: 'Put the template of the model into chat_template.jinja beside its config.json.',
      details: { path: opened.path },
    },
  )
}

async function openDecoder(path: string): Promise<ModelFolder> {
  const folder = await openModelFolder(path)
  decoderSpec(folder.config, folder.configFile)
  return folder
}

function sourcesOf({ corpus, instructions = [], preferences = [], held_out, vocabulary }: AdaptConfig) {
  return [corpus, instructions, preferences, ...Object.values(held_out), vocabulary?.data ?? []].flat()
}

/** A file that is measured, and learnt from or searched a scale by, flatters the arms that had it before. */
async function warnOfUsedTexts(
  { corpus, held_out, arms }: AdaptConfig,
  warn: (message: string) => void,
): Promise<void> {
  const uses = [{ sources: corpus, says: 'is in corpus too: its perplexity tells what was learnt by heart' }]
  for (const { arm, name = arm, search } of arms)
    for (const { data } of search?.objectives ?? [])
      uses.push({
        sources: data,
        says: `is what ${name} searches its scale by: its perplexity flatters ${name}`,
      })
  for (const { sources, says } of uses) {
    const used = new Set(await filesOf(sources))
    for (const [name, measured] of Object.entries(held_out)) {
      const both = (await filesOf(measured)).find((file) => used.has(file))
      if (both !== undefined) warn(`held_out.${name}: ${both} ${says}`)
    }
  }
}

async function filesOf(sources: readonly Source[]): Promise<string[]> {
  const resolved = await Promise.all(sources.map(resolveSource))
  return Promise.all(resolved.flatMap(({ files }) => files.map(({ path }) => realpath(path))))
}

/** Documents are read, too: a task that fails after days of training is met now. And so is a rule on what no task tells. */
async function checkTasks(config: AdaptConfig, file: string, signal: AbortSignal): Promise<void> {
  const { evaluate, held_out, chat } = config
  const { tasks, groups } = await chooseTasks(evaluate.tasks)
  if (tasks.length > 0) await planEvaluation(await asked(evaluate, chat), 'evaluate', signal)
  const metrics = new Map<string, readonly string[]>()
  for (const name of Object.keys(held_out)) metrics.set(name, Object.keys(PERPLEXITIES))
  for (const task of tasks) {
    if (metrics.has(task.name))
      throw configError(file, `held_out: expected a name that no task has, received ${task.name}`, {
        hint: 'Give the texts another name.',
        key: 'held_out',
      })
    metrics.set(task.name, metricNames(task))
  }
  for (const group of groups) metrics.set(group.name, metrics.get(group.tasks[0]!)!)
  checkRule(config, file, metrics)
}

/** What the start will be asked. */
async function asked(evaluate: AdaptConfig['evaluate'], chat: string): Promise<EvaluateConfig> {
  const models = [{ path: chat, name: START }]
  return (await readEvaluateConfig({ ...evaluate, models, out: 'evaluate' }, [])).config
}

function checkRule(
  { pick }: AdaptConfig,
  file: string,
  metrics: ReadonlyMap<string, readonly string[]>,
): void {
  if (pick === undefined) return
  const compared = pick.require.filter(({ not_worse_by }) => not_worse_by !== undefined)
  const sides = [...[pick.by].flat(), ...compared]
  for (const one of [...[pick.by].flat(), ...pick.require]) {
    const { measure, better } = one
    const { task, metric } = cutMeasure(measure)
    const known = metrics.get(task)
    if (known !== undefined && (metric === undefined || known.includes(metric))) {
      if (sides.includes(one) && better === undefined && best(metric ?? known[0]!) === undefined)
        throw configError(file, `pick: ${measure}: expected better: more | less, received nothing`, {
          hint: 'Of lengths and refusals it depends on what was asked.',
          key: 'pick',
        })
      continue
    }
    const expected = known === undefined ? 'a task that is measured' : `one of ${known.join(', ')} of ${task}`
    const hint =
      known === undefined
        ? `Measured are ${[...metrics.keys()].slice(0, 10).join(', ')}.`
        : `For example ${task}/${known[0]}.`
    throw configError(file, `pick: expected ${expected}, received ${measure}`, { hint, key: 'pick' })
  }
}
