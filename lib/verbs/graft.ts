/** The chat vector: Huang et al., ACL 2024 (arXiv 2310.04799). Manners for a model that learned a language. */
import { basename, resolve } from 'node:path'
import { checkSpace } from '../checkpoint/disk_space'
import { hashBeside } from '../checkpoint/hashing'
import { writeWithManners } from '../checkpoint/mannered_folder'
import { writeModelCard } from '../checkpoint/model_card'
import { type InputRecord, provenance } from '../checkpoint/provenance'
import { checkSameHeads, specDifferences } from '../checkpoint/spec_differences'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { writeJson, writeText } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS, listOption } from '../config/call_options'
import { type GraftConfig, graftSchema } from '../config/graft'
import { checkConfig, toYaml } from '../config/parse'
import type { Scale } from '../config/scales'
import { TongueforgeError, throwFirst } from '../errors'
import { type ByteProgress, type GraftInputs, type GraftPlan, type GraftStatistics, runJob } from '../native'
import type { Alignment } from '../text/alignment/align'
import { mannersOf } from '../text/alignment/manners'
import type { VocabularyReport } from '../text/alignment/table'
import { checkDescent, type Descent } from './grafting/descent'
import {
  alignModels,
  allInputs,
  allModels,
  type GraftModels,
  nativeInputs,
  openModels,
} from './grafting/inputs'
import { untiesHead, weightKeys } from './grafting/result_config'

/** A chat vector: two models, or a folder with their difference. */
export type GraftVector = ({ base: string; chat: string } | { delta: string }) & {
  scale?: Scale | undefined
}

/** What `graft` is to put together, and where the result goes. */
export interface GraftOptions {
  /** Model folder that is given manners: say, a base model continually pre-trained on a language. */
  target: string
  /** The base model that `chat` was tuned from. */
  base?: string | undefined
  /** The model with manners that are to be given. */
  chat?: string | undefined
  /** out = target + scale * (chat - base); default 1. Also by layer, module kind or tensor name. */
  scale?: Scale | undefined
  /** Several chat vectors, instead of base, chat and scale. */
  vectors?: readonly GraftVector[] | undefined
  /** Leave out most of each difference before it is added. */
  sparsify?:
    | {
        /** ties keeps the largest entries, dare random ones. */
        method: 'ties' | 'dare'
        /** Share of the entries that is kept. */
        density: number
        /** Of dare; default: 0. */
        seed?: number | undefined
      }
    | undefined
  /** out = chat + scale * (target - base) instead: the same at scale 1. */
  residual?: boolean | undefined
  /** Add a delta also to a model that does not seem to descend from its base. */
  force?: boolean | undefined
  /** Model folder to be written. */
  out: string
  /** Replace what is at `out`, where it looks like ours; default: false, and ERR_EXISTS. */
  overwrite?: boolean | undefined
  /** Go on where an interrupted graft stopped; an interruption of this one leaves its work for the next. */
  resume?: boolean | undefined
  /** Threads that read, compute and write; default: one more than the machine has. */
  threads?: number | undefined
  /** Check everything and return the plan; write nothing. */
  dryRun?: boolean | undefined
}

/** Who hears of a graft, and can stop it. */
export interface GraftCallbacks {
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: ByteProgress) => void) | undefined
  /** Hears what the result is that one might not expect. */
  onWarning?: ((message: string) => void) | undefined
  /** Called where an interrupted graft has left its work for the next one with `resume`. */
  onKept?: (() => void) | undefined
}

const OPTIONS: Kinds<GraftOptions> = {
  target: 'text',
  base: 'text',
  chat: 'text',
  scale: 'any',
  vectors: 'any',
  sparsify: 'any',
  residual: 'flag',
  force: 'flag',
  out: 'needed',
  overwrite: 'flag',
  resume: 'flag',
  threads: 'threads',
  dryRun: 'flag',
}

export const CALLBACKS: Kinds<GraftCallbacks> = {
  ...LISTENERS,
  onWarning: 'function',
  onKept: 'function',
}

/** What a graft has changed, or with `dryRun` would: tensors, bytes, the vocabulary, norms by kind of module. */
export interface GraftReport extends Partial<GraftStatistics> {
  /** The model folder, as a full path. */
  out: string
  /** Of the only vector, or of each. */
  scale: Scale | Scale[]
  /** Whether nothing was written. */
  dry_run: boolean
  /** Of the weights of all models. */
  bytes_to_read: number
  /** Of the weights of the result. */
  bytes_to_write: number
  /** On the disk of `out`; absent where a file system does not tell. */
  free_bytes?: number | undefined
  /** The target's head is its embedding, the result's is not. */
  unties_head: boolean
  /** What configs say differently although the weights fit each other. */
  warnings: string[]
  /** Of a delta, how the target was found to descend from its base; of several vectors, of each. */
  descent?: Descent | (Descent | undefined)[]
  /** What becomes of each row of the embedding. */
  vocabulary: VocabularyReport
  /** Of the chat model's settings, those without an equivalent in the result's vocabulary. */
  lost?: string[]
  /** Files of the vocabulary in other forms, which the result does not have. */
  left_out?: string[]
  /** Of reading, computing and writing. Absent from a dry run. */
  seconds?: number
}

/** As native/merge/graft/graft_kernel.cpp does it. */
const ARITHMETIC = 'chat - base in float32; sum fused in float32, in double for float32 targets; one rounding'

/** A graft that can run: everything that headers and small files tell was checked. */
interface Prepared {
  config: GraftConfig
  models: GraftModels
  /** Of each vector that is a delta. */
  descents: (Descent | undefined)[]
  alignment: Alignment
  native: GraftInputs
  plan: GraftPlan
}

/**
 * Gives a model chat ability by arithmetic: out = target + scale * (chat - base), streamed from disk to disk.
 * Vocabulary and config come from the target, chat template and end-of-turn ids from the chat model.
 * Throws ERR_CONFIG, ERR_VOCABULARY, ERR_SHAPE_MISMATCH, ERR_MISSING_TENSOR, ERR_NO_SPACE, ERR_EXISTS before anything
 * is written.
 */
export async function graft(options: GraftOptions, callbacks: GraftCallbacks = {}): Promise<GraftReport> {
  checkOptions('graft', options, OPTIONS)
  checkOptions('graft', callbacks, CALLBACKS)
  callbacks.signal?.throwIfAborted()
  const { out, overwrite = false, resume = false, threads = 0, dryRun } = options
  const prepared = await prepareGraft(graftConfig(options))
  const inputs = allInputs(prepared.models).map(({ path }) => path)
  await runJob('checkOutput', { out, overwrite, inputs })
  const report = await planReport(prepared, options.out, dryRun ?? false)
  for (const warning of report.warnings) callbacks.onWarning?.(warning)
  if (dryRun) return report

  const { signal, onKept } = callbacks
  return withStagedFolder(out, { overwrite, resume, inputs, signal, onKept }, async (staged) => {
    const start = performance.now()
    const [statistics, records] = await hashBeside(
      (stop) => recordAll(prepared.models, stop),
      () => runJob('graft', { ...prepared.native, staged, threads }, callbacks),
      signal,
    )
    const manners = await writeManners(staged, prepared, report.unties_head)
    const seconds = (performance.now() - start) / 1000
    const whole = { ...report, ...statistics, ...manners, seconds }
    await describe(staged, prepared, whole, records)
    return whole
  })
}

/** The options as a checked config. Throws ERR_CONFIG, ERR_USAGE. */
export function graftConfig(options: GraftOptions): GraftConfig {
  const { target, base, chat, scale, vectors, residual, force, sparsify } = options
  if (vectors && (base !== undefined || chat !== undefined || scale !== undefined)) {
    throw new TongueforgeError('ERR_USAGE', 'Expected vectors, or base, chat and scale; received both', {
      hint: 'Put base, chat and scale into vectors: [{ base, chat, scale }].',
    })
  }
  return checkConfig(
    graftSchema,
    withoutUndefined({
      target,
      vectors: (vectors && listOption('graft: vectors', vectors, '{ base, chat }').map(withoutUndefined)) ?? [
        withoutUndefined({ base, chat, scale }),
      ],
      residual: residual ?? undefined,
      force: force ?? undefined,
      sparsify: withoutUndefined(sparsify),
    }),
    'graft',
  )
}

/** What is no table is for the schema to refuse. */
const withoutUndefined = (table: unknown) =>
  Object(table) !== table || Array.isArray(table)
    ? table
    : Object.fromEntries(Object.entries(table as object).filter(([, value]) => value !== undefined))

/** Opens and matches all models. Throws what stands against the graft, the first of its problems. */
export async function prepareGraft(config: GraftConfig): Promise<Prepared> {
  const models = await openModels(config)
  const descents = await Promise.all(
    models.vectors.map(({ delta }) => delta && checkDescent(models.target.folder, delta, config.force)),
  )
  const alignment = await alignModels(models)
  const native = await nativeInputs(models, config, alignment)
  const plan = await runJob('planGraft', native)
  throwFirst(plan.problems)
  return { config, models, descents, alignment, native, plan }
}

async function planReport(
  { config, models, plan, descents, alignment }: Prepared,
  out: string,
  dryRun: boolean,
): Promise<GraftReport> {
  const scales = config.vectors.map(({ scale }) => scale)
  return {
    out: resolve(out),
    scale: scales.length === 1 ? scales[0]! : scales,
    dry_run: dryRun,
    bytes_to_read: plan.bytes_to_read,
    bytes_to_write: plan.bytes_to_write,
    free_bytes: await checkSpace(out, plan.bytes_to_write, 'the result'),
    unties_head: untiesHead(models, config, plan),
    warnings: differences(models),
    ...(descents.some(Boolean) && { descent: descents.length === 1 ? descents[0]! : descents }),
    vocabulary: alignment.report,
  }
}

function differences(models: GraftModels): string[] {
  const [target, ...others] = allModels(models).map(({ role, spec }) => ({ name: role, spec }))
  for (const other of others) checkSameHeads(target!, other)
  return specDifferences(target!, others)
}

const recordAll = (models: GraftModels, signal: AbortSignal | undefined): Promise<InputRecord[]> =>
  Promise.all(allInputs(models).map((input) => input.record(signal)))

async function writeManners(
  staged: string,
  { config, models, alignment }: Prepared,
  unties_head: boolean,
): Promise<Pick<GraftReport, 'lost' | 'left_out'>> {
  const target = models.target.folder
  const chat = models.vectors[0]!.chat.folder
  const manners = await mannersOf(chat, alignment)
  const keys = await weightKeys(models, config, unties_head)
  const leftOut = await writeWithManners(staged, { target, chat, alignment, manners, config: keys })
  return {
    ...(manners.lost.length > 0 && { lost: manners.lost }),
    ...(leftOut.length > 0 && { left_out: leftOut }),
  }
}

async function describe(
  staged: string,
  { config, models }: Prepared,
  report: GraftReport,
  records: InputRecord[],
): Promise<void> {
  const resolved = { verb: 'graft', ...withPaths(config, models) }
  await writeText(staged, 'resolved.yaml', toYaml(resolved))
  await writeJson(staged, 'provenance.json', provenance('graft', records, { arithmetic: ARITHMETIC }))
  await writeJson(staged, 'report.json', report)
  await writeModelCard(staged, {
    title: basename(report.out),
    summary: summaryOf(config),
    origins: Object.fromEntries(allInputs(models).map(({ role, path }) => [role, { path }])),
    config: resolved,
  })
}

/** With the folders that were read, so that it runs from anywhere. */
function withPaths(config: GraftConfig, { target, vectors }: GraftModels): GraftConfig {
  return {
    ...config,
    target: target.folder.path,
    vectors: vectors.map(({ base, chat, delta, scale }) => ({
      ...(delta ? { delta: delta.path } : { base: base.folder.path, chat: chat.folder.path }),
      scale,
    })),
  }
}

function summaryOf({ vectors, residual }: GraftConfig): string {
  const scale = vectors.map((vector) => JSON.stringify(vector.scale)).join(', ')
  const sum = residual ? 'chat + scale * (target - base)' : 'target + scale * (chat - base)'
  return `A chat vector: ${sum}, scale ${scale}, as in arXiv 2310.04799.`
}
