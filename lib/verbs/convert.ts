/** Weights in files of torch become a model folder in safetensors: open -> plan -> write -> check -> publish. */
import { basename, join, resolve } from 'node:path'
import { checkSpace } from '../checkpoint/disk_space'
import { isEncoderConfig } from '../checkpoint/encoder_config'
import { writeModelCard } from '../checkpoint/model_card'
import { isDecoderConfig } from '../checkpoint/model_config'
import { modelSpec } from '../checkpoint/model_spec'
import { provenance } from '../checkpoint/provenance'
import { isSpeechConfig } from '../checkpoint/speech_config'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { carryOver, MAX_SHARD_BYTES, writeJson, writeText } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS } from '../config/call_options'
import { toYaml } from '../config/parse'
import { TongueforgeError } from '../errors'
import { type ByteProgress, type ConvertStatistics, type Handle, native, runJob } from '../native'
import type { Conversion, ConversionFacts } from './converting/conversion'
import { isMelHubert, planMelHubert } from './converting/melhubert'
import { planModelWeights } from './converting/model_weights'
import { type SourceFiles, sourceFiles } from './converting/source_files'

/** Which checkpoint to convert, and where it goes. */
export interface ConvertOptions {
  /** A checkpoint, `pytorch_model.bin`, its index, or the folder with one of them. */
  file: string
  /** Model folder to be written. */
  out: string
  /** Of a MelHuBERT checkpoint: the .npy with mean and deviation of its features, [2, bins]. */
  statistics?: string | undefined
  /** Replace what is at `out`, where it looks like ours; default: false, and ERR_EXISTS. */
  overwrite?: boolean | undefined
  /** Read and check everything but the data, and return the plan; write nothing. */
  dryRun?: boolean | undefined
}

export interface ConvertCallbacks {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: ByteProgress) => void) | undefined
  onWarning?: ((message: string) => void) | undefined
}

const OPTIONS: Kinds<ConvertOptions> = {
  file: 'needed',
  out: 'needed',
  statistics: 'text',
  overwrite: 'flag',
  dryRun: 'flag',
}

const CALLBACKS: Kinds<ConvertCallbacks> = { ...LISTENERS, onWarning: 'function' }

/** What a conversion has read and written. */
export interface ConvertReport extends ConversionFacts, Partial<ConvertStatistics> {
  /** The model folder, as a full path. */
  out: string
  /** Whether nothing was written. */
  dry_run: boolean
  /** Of the result. */
  tensors: number
  /** Of the weights of the result. */
  bytes_to_write: number
  /** Whether names and shapes were compared with what config.json calls for: not for models unknown to us. */
  checked?: boolean
  /** Of reading and writing. Absent from a dry run. */
  seconds?: number
}

/** As native/convert/write_tensors.cpp does it. */
const ARITHMETIC = 'none; a weight with a mask: their product in float32'

/**
 * Converts a checkpoint of torch, without running anything of it: only tensors and plain containers are read. Throws
 * ERR_PICKLE for a file that is damaged, of another kind, or holds something else (with what it asked for and where),
 * ERR_SHARD_INDEX, ERR_MODEL_CONFIG, ERR_DATA, ERR_NOT_FOUND, ERR_NO_SPACE, ERR_EXISTS; ERR_MISSING_TENSOR,
 * ERR_UNEXPECTED_TENSOR, ERR_SHAPE_MISMATCH for a result that would not load.
 */
export async function convert(
  options: ConvertOptions,
  callbacks: ConvertCallbacks = {},
): Promise<ConvertReport> {
  checkOptions('convert', options, OPTIONS)
  checkOptions('convert', callbacks, CALLBACKS)
  const { out, overwrite = false } = options
  const { signal } = callbacks
  const files = await sourceFiles(options.file, signal)
  const paths = files.names.map((name) => join(files.folder, name))
  const inputs = [...paths, ...(options.statistics === undefined ? [] : [options.statistics])]
  await runJob('checkOutput', { out, overwrite, inputs })
  const opened = await runJob('openTorch', { paths }, { signal })
  try {
    const conversion = await plan(options, files, opened.files)
    const bytes = conversion.tensors.reduce((sum, { bytes }) => sum + bytes, 0)
    await checkSpace(resolve(out), bytes, 'the converted model')
    const report: ConvertReport = {
      ...{ out: resolve(out), dry_run: options.dryRun ?? false, ...conversion.facts },
      ...{ tensors: conversion.tensors.length, bytes_to_write: bytes },
    }
    if (report.dry_run) return report
    return await withStagedFolder(out, { overwrite, inputs, signal }, (staged) =>
      write(staged, opened.source, { conversion, options, report }, callbacks),
    )
  } finally {
    native().dispose(opened.source)
  }
}

function plan(
  { statistics }: ConvertOptions,
  files: SourceFiles,
  contents: Parameters<typeof planModelWeights>[1],
): Promise<Conversion> {
  const [first] = contents
  if (files.index === undefined && isMelHubert(first!)) return planMelHubert(files, first!, statistics)
  if (statistics === undefined) return planModelWeights(files, contents)
  throw new TongueforgeError('ERR_USAGE', 'statistics: expected only with a checkpoint of MelHuBERT', {
    hint: 'Leave it out: other models have a preprocessor_config.json of their own.',
    details: { key: 'statistics' },
  })
}

interface Work {
  conversion: Conversion
  options: ConvertOptions
  report: ConvertReport
}

async function write(
  staged: string,
  source: Handle,
  { conversion, options, report }: Work,
  callbacks: ConvertCallbacks,
): Promise<ConvertReport> {
  const start = performance.now()
  const tensors = conversion.tensors.map(({ name, file, id, mask }) =>
    mask === undefined ? { name, file, id } : { name, file, id, mask },
  )
  const inputs = { source, tensors, staged, max_shard_bytes: MAX_SHARD_BYTES }
  const statistics = await runJob('writeTorchTensors', inputs, callbacks)
  await writeSmallFiles(staged, conversion)
  const checked = await check(staged, conversion, callbacks)
  const seconds = (performance.now() - start) / 1000
  const whole = { ...report, ...statistics, checked, seconds }
  await describe(staged, conversion, options, whole, callbacks.signal)
  return whole
}

async function writeSmallFiles(staged: string, { carried, config, files }: Conversion): Promise<void> {
  if (carried) await carryOver(carried, staged, new Set(['README.md']))
  else await writeJson(staged, 'config.json', config)
  for (const [name, content] of Object.entries(files)) await writeJson(staged, name, content)
}

/** That the result loads: names and shapes against config.json, of models that we know. */
async function check(
  staged: string,
  { config, facts }: Conversion,
  { onWarning }: ConvertCallbacks,
): Promise<boolean> {
  await runJob('inspectWeights', { folder: staged, scan: false })
  if (![isDecoderConfig, isEncoderConfig, isSpeechConfig].some((known) => known(config))) return false
  try {
    await runJob('checkModel', {
      folder: staged,
      spec: modelSpec(config, 'config.json', { quantized: true }),
    })
    return true
  } catch (error) {
    const foreign = error instanceof TongueforgeError && error.code === 'ERR_MODEL_CONFIG'
    if (!foreign || facts.kind !== 'transformers') throw error
    onWarning?.(`The result was not compared with its config.json: ${error.message}`)
    return false
  }
}

async function describe(
  staged: string,
  conversion: Conversion,
  { file, statistics }: ConvertOptions,
  report: ConvertReport,
  signal: AbortSignal | undefined,
): Promise<void> {
  const resolved = { verb: 'convert', file: resolve(file), ...(statistics !== undefined && { statistics }) }
  await writeText(staged, 'resolved.yaml', toYaml(resolved))
  const records = await conversion.record(signal)
  await writeJson(staged, 'provenance.json', provenance('convert', records, { arithmetic: ARITHMETIC }))
  await writeJson(staged, 'report.json', report)
  await writeModelCard(staged, {
    title: basename(report.out),
    summary: `Weights of ${basename(resolve(file))}, which torch.save wrote, as safetensors.`,
    origins: { source: { path: conversion.carried?.path ?? resolve(file) } },
    ...(conversion.facts.kind === 'melhubert' && { library: 'tongueforge' as const }),
    config: resolved,
  })
}
