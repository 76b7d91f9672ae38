/**
 * Many models made one as a config of mergekit-yaml says: its methods, its slices, its tokenizer section, streamed from
 * disk to disk. native/merge/config/config_merge.h computes; the plan is made in merging/.
 */
import { basename, resolve } from 'node:path'
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../checkpoint/adapter_folder'
import { checkSpace } from '../checkpoint/disk_space'
import { writeExtended } from '../checkpoint/extended_folder'
import { hashBeside } from '../checkpoint/hashing'
import { writeModelCard } from '../checkpoint/model_card'
import { type InputRecord, provenance, recordInput, recordModel } from '../checkpoint/provenance'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { writeJson, writeText } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS } from '../config/call_options'
import type { MergeConfig } from '../config/merge'
import { checkMergeConfig } from '../config/merge_checks'
import { readYaml, toYaml } from '../config/parse'
import { throwFirst } from '../errors'
import { type ByteProgress, type ConfigMergeStatistics, runJob } from '../native'
import { type MergePlan, planMerge } from './merging/plan'
import { type MergeModels, openModels, referencesOf } from './merging/references'
import { resolvedConfig } from './merging/resolved'
import { checkFits } from './training/memory_room'

/** Where a merge goes, and who hears of it. */
export interface MergeOptions {
  /** Model folder to be written. */
  out: string
  /** Replace what is at `out`, where it looks like ours; default: false, and ERR_EXISTS. */
  overwrite?: boolean | undefined
  /** Go on with what an interrupted merge left; if this one is interrupted, leave it to be gone on with. */
  resume?: boolean | undefined
  /** Check everything and return the plan; write nothing. */
  dryRun?: boolean | undefined
  /** That read, compute and write; 0, the default: one more than the machine has. */
  threads?: number | undefined
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: ByteProgress) => void) | undefined
  /** Hears what the result is that one might not expect. */
  onWarning?: ((message: string) => void) | undefined
  /** Called where an interrupted merge has left something to go on with. */
  onKept?: (() => void) | undefined
}

const OPTIONS: Kinds<MergeOptions> = {
  ...LISTENERS,
  out: 'needed',
  overwrite: 'flag',
  resume: 'flag',
  dryRun: 'flag',
  threads: 'threads',
  onWarning: 'function',
  onKept: 'function',
}

/** What a merge has made, or with `dryRun` would. */
export interface MergeReport extends Partial<ConfigMergeStatistics> {
  /** The model folder, as a full path. */
  out: string
  /** `merge_method` of the config. */
  method: string
  /** Whether nothing was written. */
  dry_run: boolean
  /** As the config calls them. */
  models: string[]
  /** Of the result. */
  layers: number
  /** Of the result. */
  tensors: number
  /** Whether the result has an output head of its own; else it is the embedding. */
  head: boolean
  vocabulary: {
    /** Of the embedding of the result. */
    rows: number
    /** The model that gives the tokenizer, as the config calls it. */
    tokenizer: string
    /** Rows that some model lacked. */
    rows_from_other_models: number
  }
  /** Tensors of the models that the result does without. */
  left_out?: string[]
  /** Files of the vocabulary in other forms, which the result does not have. */
  files_left_out?: string[]
  /** What one might not expect; `onWarning` hears of each. */
  warnings: string[]
  /** Of the weights of all models. */
  bytes_to_read: number
  /** Of the weights of the result. */
  bytes_to_write: number
  /** What the work holds at most: for most methods the largest tensor of all models. */
  peak_memory_bytes: number
  /** Weight files of the result. */
  shards: number
  /** On the disk of `out`; absent where a file system does not tell. */
  free_bytes?: number | undefined
  /** Of reading, computing and writing. Absent from a dry run. */
  seconds?: number
}

/** As native/merge/config/merged_piece.cpp does it. */
const ARITHMETIC = {
  own: 'every method in float32 or double, one rounding to the dtype of the result',
  mergekit: 'in the working dtype, rounded step by step as mergekit does it',
}

const MEMORY_ADVICE =
  'Most methods hold the largest tensor of all models; linear, task_arithmetic, nearswap, passthrough and ram do not.'

/** A merge that can be planned: models opened, tensors and rows matched. */
export interface PreparedMerge {
  config: MergeConfig
  models: MergeModels
  plan: MergePlan
}

/**
 * Merges models as a config says: a YAML file, or its content. Throws ERR_CONFIG, ERR_ARCHITECTURE, ERR_VOCABULARY,
 * ERR_SHAPE_MISMATCH, ERR_MISSING_TENSOR, ERR_DTYPE, ERR_ADAPTER, ERR_OUT_OF_MEMORY, ERR_NO_SPACE, ERR_EXISTS before
 * anything is written.
 */
export async function merge(config: string | object, options: MergeOptions): Promise<MergeReport> {
  checkOptions('merge', options, OPTIONS)
  const { out, overwrite = false, resume = false, dryRun, threads = 0 } = options
  const { signal, onProgress, onWarning, onKept } = options
  const prepared = await prepareMerge(config)
  const inputs = foldersOf(prepared.models)
  await runJob('checkOutput', { out, overwrite, inputs })
  const report = await planReport(prepared, { out: resolve(out), dry_run: dryRun ?? false, threads })
  for (const warning of report.warnings) onWarning?.(warning)
  if (dryRun) return report

  return withStagedFolder(out, { overwrite, resume, inputs, signal, onKept }, async (staged) => {
    const start = performance.now()
    const job = { ...prepared.plan.native, staged, threads }
    const [statistics, records] = await hashBeside(
      (stop) => recordAll(prepared.models, stop),
      () => runJob('configMerge', job, { signal, onProgress }),
      signal,
    )
    const seconds = (performance.now() - start) / 1000
    return save(staged, prepared, { ...report, ...statistics, seconds }, records)
  })
}

/** Reads a config and plans it from headers and small files. */
export async function prepareMerge(given: string | object): Promise<PreparedMerge> {
  const file = typeof given === 'string' ? given : 'merge'
  const config = checkMergeConfig(typeof given === 'string' ? await readYaml(given) : given, file)
  const models = await openModels(referencesOf(config))
  return { config, models, plan: await planMerge(config, models, file) }
}

const foldersOf = (models: MergeModels) =>
  [...models.values()].flatMap(({ folder, adapter }) => [folder.path, ...(adapter ? [adapter.path] : [])])

/** Everything that headers can tell: problems are thrown, figures and space told. */
async function planReport(
  { config, models, plan }: PreparedMerge,
  { out, dry_run, threads }: { out: string; dry_run: boolean; threads: number },
): Promise<MergeReport> {
  const { problems, ...figures } = await runJob('planConfigMerge', { ...plan.native, threads })
  throwFirst(problems)
  const warnings = [...plan.warnings]
  checkFits({ bytes: figures.peak_memory_bytes, advice: MEMORY_ADVICE }, (text) => warnings.push(text))
  const free_bytes = await checkSpace(out, figures.bytes_to_write, 'the merged model')
  const { tensors, slices, vocabulary } = plan
  return {
    out,
    method: config.merge_method,
    dry_run,
    models: [...models.keys()],
    layers: slices.reduce((sum, { layers }) => sum + layers, 0),
    tensors: tensors.tensors.length,
    head: tensors.head,
    vocabulary: {
      rows: vocabulary.num_rows,
      tokenizer: vocabulary.owner,
      rows_from_other_models: vocabulary.rows?.standIns.size ?? 0,
    },
    ...(tensors.leftOut.length > 0 && { left_out: tensors.leftOut }),
    warnings,
    ...figures,
    free_bytes,
  }
}

async function save(
  staged: string,
  { config, models, plan }: PreparedMerge,
  report: MergeReport,
  records: InputRecord[],
): Promise<MergeReport> {
  const { vocabulary, template } = plan
  const files_left_out = await writeExtended(staged, models.get(vocabulary.owner)!.folder, {
    tokenizerJson: vocabulary.union?.vocabulary.json,
    vocabSize: vocabulary.num_rows,
    special: vocabulary.union?.added.filter(({ special }) => special) ?? [],
    chatTemplate: template.chatTemplate,
    stopIds: template.stopIds,
  })
  await writeJson(staged, 'config.json', plan.config)
  const resolved = resolvedConfig(config, models)
  await writeText(staged, 'resolved.yaml', toYaml(resolved))
  const numerics = { arithmetic: ARITHMETIC[config.compat ?? 'own'], seed: config.seed }
  await writeJson(staged, 'provenance.json', provenance('merge', records, numerics))
  const whole = { ...report, ...(files_left_out.length > 0 && { files_left_out }) }
  await writeJson(staged, 'report.json', whole)
  await writeModelCard(staged, {
    title: basename(report.out),
    summary: `${models.size} models merged by ${config.merge_method}.`,
    origins: Object.fromEntries(
      [...models].map(([reference, { folder }]) => [roleOf(models, reference), folder]),
    ),
    config: resolved,
  })
  return whole
}

const roleOf = (models: MergeModels, reference: string) =>
  `model ${[...models.keys()].indexOf(reference) + 1}`

async function recordAll(models: MergeModels, signal: AbortSignal | undefined): Promise<InputRecord[]> {
  const records = [...models.values()].flatMap(({ reference, folder, adapter }) => {
    const role = roleOf(models, reference)
    const model = recordModel(role, folder, signal)
    if (!adapter) return [model]
    const files = [ADAPTER_CONFIG, ADAPTER_WEIGHTS]
    return [model, recordInput(`adapter of ${role}`, adapter.path, files, signal)]
  })
  return Promise.all(records)
}
