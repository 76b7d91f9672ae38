/** What a chat model has beside its base, as a folder of its own: extracted once, added to many models. */
import { basename, resolve } from 'node:path'
import { writeModelsOfDelta } from '../checkpoint/delta_folder'
import { checkSpace } from '../checkpoint/disk_space'
import { writeModelCard } from '../checkpoint/model_card'
import { type InputRecord, provenance, recordModel } from '../checkpoint/provenance'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { writeJson, writeText } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS } from '../config/call_options'
import { type DeltaConfig, type DeltaFormat, deltaSchema, KEYS_OF_FORMATS } from '../config/delta'
import { checkConfig, toYaml } from '../config/parse'
import { TongueforgeError, throwFirst } from '../errors'
import { type ByteProgress, type DeltaFigures, type DeltaInputs, runJob } from '../native'
import { alignVocabularies } from '../text/alignment/align'
import { tokenizerOf } from '../text/alignment/reading'
import { VERSION } from '../version'
import { checkSameFamily, type InputModel, openInput } from './grafting/inputs'

/** Which difference to extract, and in which form it is kept. */
export interface ExtractDeltaOptions {
  /** The base model that `chat` was tuned from. */
  base: string
  /** The model that was tuned from it. */
  chat: string
  /** Folder to be written. */
  out: string
  /** Default: dense. */
  format?: DeltaFormat | undefined
  /** topk: the share of the values that is kept; default 0.1. */
  density?: number | undefined
  /** lowrank: columns of the factors; default 64. */
  rank?: number | undefined
  /** lowrank: the share of the sum of squares that each matrix keeps, instead of `rank`. */
  energy?: number | undefined
  /** lowrank; default float32. */
  factorDtype?: 'float32' | 'bfloat16' | undefined
  /** int8, int4: values of a row that share a scale; default 64. */
  group?: number | undefined
  /** Replace what is at `out`, where it looks like ours; default: false, and ERR_EXISTS. */
  overwrite?: boolean | undefined
  /** Go on where an interrupted extraction stopped; an interruption of this one leaves its work for the next. */
  resume?: boolean | undefined
  /** Check everything and return the plan; write nothing. */
  dryRun?: boolean | undefined
}

/** Who hears of work on a delta, and can stop it. */
export interface DeltaCallbacks {
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: ByteProgress) => void) | undefined
  /** Called where an interrupted run has left its work for the next one with `resume`. */
  onKept?: (() => void) | undefined
}

const OPTIONS: Kinds<ExtractDeltaOptions> = {
  base: 'needed',
  chat: 'needed',
  out: 'needed',
  format: 'any',
  density: 'any',
  rank: 'any',
  energy: 'any',
  factorDtype: 'any',
  group: 'any',
  overwrite: 'flag',
  resume: 'flag',
  dryRun: 'flag',
}

const CALLBACKS: Kinds<DeltaCallbacks> = { ...LISTENERS, onKept: 'function' }

/** What is in the delta, and how far it is from the exact difference. */
export interface ExtractDeltaReport extends Partial<DeltaFigures> {
  /** The folder, as a full path. */
  out: string
  /** Whether nothing was written. */
  dry_run: boolean
  /** With the settings that this format has, defaults filled in. */
  settings: DeltaConfig
  /** Of the delta. */
  tensors_to_write: number
  /** Of the delta. */
  bytes_to_write: number
  /** Of the matrices that are stored as factors, where `energy` chose them. */
  ranks?: Record<string, number>
  /** Of reading, computing and writing. Absent from a dry run. */
  seconds?: number
}

/** As native/merge/graft/graft_kernel.cpp does it. */
const ARITHMETIC = 'float32(chat) - float32(base), rounded to float32'

interface Models {
  base: InputModel
  chat: InputModel
}

/**
 * Writes the difference chat - base as a folder: exact, or smaller with a measured error. Throws ERR_CONFIG,
 * ERR_ARCHITECTURE, ERR_VOCABULARY, ERR_SHAPE_MISMATCH, ERR_MISSING_TENSOR, ERR_DTYPE, ERR_NO_SPACE, ERR_EXISTS before
 * anything is written; ERR_NON_FINITE for models with values that are no numbers.
 */
export async function extractDelta(
  options: ExtractDeltaOptions,
  callbacks: DeltaCallbacks = {},
): Promise<ExtractDeltaReport> {
  checkOptions('extractDelta', options, OPTIONS)
  checkOptions('extractDelta', callbacks, CALLBACKS)
  const { out, overwrite = false, resume = false, dryRun } = options
  const { signal, onKept } = callbacks
  const settings = checkSettings(options)
  const models = await load(options)
  const inputs = Object.values(models).map(({ folder }) => folder.path)
  await runJob('checkOutput', { out, overwrite, inputs })
  const native = { ...nativeInputs(models, settings), ...(await rowsOf(models)) }
  const planned = { ...native, metadata: metadataOf(await unhashed(models), native) }
  const { problems, ranks, ...plan } = await runJob('planDelta', planned, { signal })
  throwFirst(problems)
  await checkSpace(out, plan.bytes_to_write, 'the delta')
  const report: ExtractDeltaReport = {
    out: resolve(out),
    dry_run: dryRun ?? false,
    settings,
    tensors_to_write: plan.tensors,
    bytes_to_write: plan.bytes_to_write,
    ...(settings.energy !== undefined && {
      ranks: Object.fromEntries(ranks.map(({ name, rank }) => [name, rank])),
    }),
  }
  if (dryRun) return report

  return withStagedFolder(out, { overwrite, resume, inputs, signal, onKept }, async (staged) => {
    const start = performance.now()
    const records = [await recordModel('base', models.base.folder, signal)]
    records.push(await recordModel('chat', models.chat.folder, signal))
    const metadata = metadataOf(records, native)
    const figures = await runJob('extractDelta', { ...native, ranks, metadata, staged }, callbacks)
    const whole = { ...report, ...figures, seconds: (performance.now() - start) / 1000 }
    await save(staged, models, whole, records)
    return whole
  })
}

/** Throws ERR_CONFIG for values that are not possible, and for settings of another format. */
function checkSettings(options: ExtractDeltaOptions): DeltaConfig {
  const { format = 'dense', density, rank, energy, factorDtype, group } = options
  const given = { format, density, rank, energy, factor_dtype: factorDtype, group }
  const config = checkConfig(deltaSchema, given, 'delta extract')
  for (const [key, formats] of Object.entries(KEYS_OF_FORMATS))
    if (config[key as keyof DeltaConfig] !== undefined && !(formats as readonly string[]).includes(format))
      throw wrongSetting(key, `expected format ${formats.join(' or ')} beside it, received ${format}`)
  if (rank !== undefined && energy !== undefined)
    throw wrongSetting('energy', 'expected rank or energy, received both')
  return { ...DEFAULTS[format](config), ...defined(config), format }
}

const DEFAULTS: Record<DeltaFormat, (config: DeltaConfig) => Partial<DeltaConfig>> = {
  dense: () => ({}),
  topk: () => ({ density: 0.1 }),
  lowrank: ({ energy }) => ({ ...(energy === undefined && { rank: 64 }), factor_dtype: 'float32' }),
  int8: () => ({ group: 64 }),
  int4: () => ({ group: 64 }),
}

const defined = (config: DeltaConfig) =>
  Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))

function wrongSetting(key: string, problem: string): TongueforgeError {
  return new TongueforgeError('ERR_CONFIG', `delta extract: ${key}: ${problem}`, {
    hint: 'Leave it out, or choose the format that it belongs to.',
    details: { key },
  })
}

async function load({ base, chat }: ExtractDeltaOptions): Promise<Models> {
  const models = { base: await openInput('base', base), chat: await openInput('chat', chat) }
  checkSameFamily(models.base, models.chat)
  return models
}

function nativeInputs({ base, chat }: Models, settings: DeltaConfig): DeltaInputs {
  return {
    base: base.folder.path,
    chat: chat.folder.path,
    base_tied: base.spec.tie_word_embeddings,
    chat_tied: chat.spec.tie_word_embeddings,
    format: settings.format,
    density: settings.density ?? 0,
    rank: settings.rank ?? 0,
    energy: settings.energy ?? 0,
    factor_dtype: settings.factor_dtype ?? 'float32',
    group: settings.group ?? 0,
    ranks: [],
    metadata: [],
    own_rows: new Int32Array(),
  }
}

/** Rows of the chat model and of the base are matched by token. Throws ERR_VOCABULARY, ERR_TOKENIZER. */
async function rowsOf({ base, chat }: Models): Promise<Pick<DeltaInputs, 'base_rows' | 'own_rows'>> {
  const embedding = ({ folder, spec }: InputModel) => ({ folder, rows: spec.vocab_size })
  const { vectors } = await alignVocabularies(embedding(chat), [
    { base: embedding(base), chat: embedding(chat) },
  ])
  const { base_rows, chat_rows } = vectors[0]!
  const own = new Set(await addedTokens(chat))
  if (base_rows === undefined || chat_rows === undefined) return { own_rows: rising(own) }
  for (const [row, of] of chat_rows.entries()) if (of >= 0 && base_rows[row]! < 0) own.add(row)
  return { base_rows, own_rows: rising(own) }
}

/** Rows of tags and other added tokens: a target may lack them. */
async function addedTokens({ folder, spec }: InputModel): Promise<number[]> {
  const text = await tokenizerOf({ folder, rows: spec.vocab_size })
  if (text === undefined) return []
  const { added_tokens = [] } = JSON.parse(text) as { added_tokens?: { id: number }[] }
  return added_tokens.map(({ id }) => id).filter((id) => id < spec.vocab_size)
}

const rising = (rows: Set<number>) => Int32Array.from([...rows].sort((a, b) => a - b))

/** Weight files with as long a text in place of their hashes: a plan tells the size of the file to the byte. */
async function unhashed({ base, chat }: Models): Promise<Hashed[]> {
  const all: Hashed[] = []
  for (const { folder } of [base, chat]) {
    const { files } = await runJob('inspectWeights', { folder: folder.path, scan: false })
    all.push({ files: files.map(({ name }) => ({ name, sha256: '0'.repeat(64) })) })
  }
  return all
}

interface Hashed {
  files: readonly { name: string; sha256: string }[]
}

/** What a reader without report.json should know. Also part of what decides whether an interrupted run goes on. */
function metadataOf(records: readonly Hashed[], settings: DeltaInputs): DeltaInputs['metadata'] {
  const hashes = ({ files }: Hashed) =>
    Object.fromEntries(files.filter(isWeights).map(({ name, sha256 }) => [name, sha256]))
  const known: Record<string, unknown> = {
    ...(settings.format === 'topk' && { density: settings.density }),
    ...(settings.rank > 0 && { rank: settings.rank }),
    ...(settings.energy > 0 && { energy: settings.energy }),
    tool_version: VERSION,
    arithmetic: ARITHMETIC,
    base: JSON.stringify(hashes(records[0]!)),
    chat: JSON.stringify(hashes(records[1]!)),
  }
  return Object.entries(known).map(([key, value]) => ({ key, value: String(value) }))
}

const isWeights = ({ name }: { name: string }) => name.endsWith('.safetensors')

async function save(
  staged: string,
  { base, chat }: Models,
  report: ExtractDeltaReport,
  records: InputRecord[],
): Promise<void> {
  await writeModelsOfDelta(staged, base.folder, chat.folder)
  const config = { verb: 'delta extract', base: base.folder.path, chat: chat.folder.path, ...report.settings }
  await writeText(staged, 'resolved.yaml', toYaml(config))
  await writeJson(staged, 'provenance.json', provenance('delta extract', records, { arithmetic: ARITHMETIC }))
  await writeJson(staged, 'report.json', report)
  await writeModelCard(staged, {
    title: basename(report.out),
    summary: 'The difference between a chat model and its base, to be added with `tongueforge delta apply`.',
    origins: { base: base.folder, chat: chat.folder },
    library: 'tongueforge',
    config,
  })
}
