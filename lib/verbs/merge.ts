/** Weight arithmetic on model folders. The chat vector: Huang et al., ACL 2024 (arXiv 2310.04799). */
import { statfs } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { writeWithManners } from '../checkpoint/mannered_folder'
import { writeModelCard } from '../checkpoint/model_card'
import { type DecoderSpec, decoderSpec } from '../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import { provenance, recordInput } from '../checkpoint/provenance'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { checkSameVocabulary } from '../checkpoint/vocabulary'
import { writeJson, writeText } from '../checkpoint/write_folder'
import { toYaml } from '../config/parse'
import { TongueforgeError } from '../errors'
import { type ByteProgress, type GraftInputs, type GraftPlan, type GraftStatistics, runJob } from '../native'
import { type Alignment, alignVocabularies } from '../text/alignment/align'
import { mannersOf } from '../text/alignment/manners'
import type { VocabularyReport } from '../text/alignment/table'

export interface GraftOptions {
  /** Model folder that is given manners: say, a base model continually pre-trained on a language. */
  target: string
  /** The base model that `chat` was tuned from. */
  base: string
  chat: string
  /** out = target + scale * (chat - base); default 1. */
  scale?: number | undefined
  /** Model folder to be written. */
  out: string
  overwrite?: boolean | undefined
  /** Check everything and return the plan; write nothing. */
  dryRun?: boolean | undefined
}

export interface GraftCallbacks {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

export interface GraftReport extends Partial<GraftStatistics> {
  out: string
  scale: number
  dry_run: boolean
  bytes_to_read: number
  bytes_to_write: number
  /** On the disk of `out`. */
  free_bytes: number
  vocabulary: VocabularyReport
  /** Of the chat model's settings, those without an equivalent in the result's vocabulary. */
  lost?: string[]
  /** Files of the vocabulary in other forms, which the result does not have. */
  left_out?: string[]
  seconds?: number
}

const ROLES = ['target', 'base', 'chat'] as const
/** As native/merge/graft_kernel.cpp does it. */
const ARITHMETIC = 'chat - base in float32; sum fused in float32, in double for float32 targets; one rounding'
type Role = (typeof ROLES)[number]

interface Input {
  folder: ModelFolder
  spec: DecoderSpec
}

/**
 * Gives a model chat ability by arithmetic: out = target + scale * (chat - base), streamed from disk to disk.
 * Vocabulary and config come from the target, chat template and end-of-turn ids from the chat model.
 * Throws ERR_VOCABULARY, ERR_SHAPE_MISMATCH, ERR_MISSING_TENSOR, ERR_NO_SPACE, ERR_EXISTS before anything is written.
 */
export async function graft(options: GraftOptions, callbacks: GraftCallbacks = {}): Promise<GraftReport> {
  const { scale = 1, overwrite = false, dryRun = false } = options
  if (!Number.isFinite(scale)) {
    throw new TongueforgeError('ERR_USAGE', `scale: expected a finite number, received ${scale}`)
  }
  const models = await load(options)
  const inputs = ROLES.map((role) => models[role].folder.path)
  await runJob('checkOutput', { out: options.out, overwrite, inputs })
  const { native, plan, freeBytes, alignment } = await prepare(models, options.out)
  const report: GraftReport = {
    out: resolve(options.out),
    scale,
    dry_run: dryRun,
    bytes_to_read: plan.bytes_to_read,
    bytes_to_write: plan.bytes_to_write,
    free_bytes: freeBytes,
    vocabulary: alignment.report,
  }
  if (dryRun) return report

  return withStagedFolder(options.out, { overwrite, inputs, signal: callbacks.signal }, async (staged) => {
    const start = performance.now()
    const statistics = await runJob('graft', { ...native, scale, staged }, callbacks)
    const manners = await writeManners(staged, models, alignment)
    const whole = { ...report, ...statistics, ...manners, seconds: (performance.now() - start) / 1000 }
    await describe(staged, models, whole, callbacks.signal)
    return whole
  })
}

async function load(options: GraftOptions): Promise<Record<Role, Input>> {
  const entries = ROLES.map(async (role) => {
    const folder = await openModelFolder(options[role])
    return [role, { folder, spec: decoderSpec(folder.config, folder.configFile) }] as const
  })
  return Object.fromEntries(await Promise.all(entries)) as Record<Role, Input>
}

// Everything that can be known before the first byte is read: families, vocabularies, names, shapes, disk space.
async function prepare(
  models: Record<Role, Input>,
  out: string,
): Promise<{ native: GraftInputs; plan: GraftPlan; freeBytes: number; alignment: Alignment }> {
  const { target, base, chat } = models
  for (const other of [base, chat]) {
    checkSameFamily(target, other)
    await checkSameVocabulary(target.folder, other.folder)
  }
  const [t, b, c] = [target, base, chat].map(({ folder, spec }) => ({ folder, rows: spec.vocab_size }))
  const alignment = await alignVocabularies(t!, [{ base: b!, chat: c! }])
  const native = {
    target: target.folder.path,
    base: base.folder.path,
    chat: chat.folder.path,
    target_tied: target.spec.tie_word_embeddings,
    base_tied: base.spec.tie_word_embeddings,
    chat_tied: chat.spec.tie_word_embeddings,
  }
  const plan = await runJob('planGraft', native)
  const problem = plan.problems[0]
  if (problem) {
    throw new TongueforgeError(problem.code, problem.message, {
      hint: problem.hint,
      details: { problems: plan.problems },
    })
  }
  return { native, plan, freeBytes: await checkSpace(out, plan.bytes_to_write), alignment }
}

/** Throws ERR_ARCHITECTURE. */
export function checkSameFamily(target: Input, other: Input): void {
  if (target.spec.architecture === other.spec.architecture) return
  throw new TongueforgeError(
    'ERR_ARCHITECTURE',
    `Expected models of one architecture, received ${target.spec.architecture} (${target.folder.path}) and ` +
      `${other.spec.architecture} (${other.folder.path})`,
    { hint: 'A chat vector fits only models that descend from one base.' },
  )
}

async function checkSpace(out: string, needed: number): Promise<number> {
  const place = await nearestFolder(resolve(out))
  const { bavail, bsize } = await statfs(place)
  const free = bavail * bsize
  if (free >= needed) return free
  throw new TongueforgeError('ERR_NO_SPACE', `${out}: expected ${needed} bytes of free disk, found ${free}`, {
    hint: 'Free some space, or choose an --out on another disk.',
    details: { path: place, needed, free },
  })
}

async function nearestFolder(path: string): Promise<string> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const found = await statfs(folder).then(
      () => true,
      () => false,
    )
    if (found || folder === dirname(folder)) return folder
  }
}

async function writeManners(
  staged: string,
  { target: { folder: target }, chat: { folder: chat } }: Record<Role, Input>,
  alignment: Alignment,
): Promise<Pick<GraftReport, 'lost' | 'left_out'>> {
  const manners = await mannersOf(chat, alignment)
  const leftOut = await writeWithManners(staged, { target, chat, alignment, manners })
  return {
    ...(manners.lost.length > 0 && { lost: manners.lost }),
    ...(leftOut.length > 0 && { left_out: leftOut }),
  }
}

async function describe(
  staged: string,
  models: Record<Role, Input>,
  report: GraftReport,
  signal: AbortSignal | undefined,
): Promise<void> {
  const config = {
    verb: 'graft',
    ...Object.fromEntries(ROLES.map((role) => [role, models[role].folder.path])),
    scale: report.scale,
  }
  await writeText(staged, 'resolved.yaml', toYaml(config))
  const inputs = []
  for (const role of ROLES) inputs.push(await recordModel(role, models[role].folder, signal))
  await writeJson(staged, 'provenance.json', provenance('graft', inputs, { arithmetic: ARITHMETIC }))
  await writeJson(staged, 'report.json', report)
  await writeModelCard(staged, {
    title: basename(report.out),
    summary: `A chat vector: target + ${report.scale} * (chat - base), as in arXiv 2310.04799.`,
    origins: Object.fromEntries(ROLES.map((role) => [role, models[role].folder])),
    config,
  })
}

async function recordModel(role: Role, folder: ModelFolder, signal: AbortSignal | undefined) {
  const { files } = await runJob('inspectWeights', { folder: folder.path, scan: false })
  const texts = folder.auxiliaryFiles.filter((name) => name === 'config.json' || name === 'tokenizer.json')
  return recordInput(role, folder.path, [...files.map(({ name }) => name), ...texts], signal)
}
