/** Adapters on model folders. LoRA: Hu et al. 2021 (arXiv 2106.09685). */
import { basename, resolve } from 'node:path'
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  type AdapterFolder,
  openAdapter,
} from '../checkpoint/adapter_folder'
import { checkSpace } from '../checkpoint/disk_space'
import { writeModelCard } from '../checkpoint/model_card'
import { decoderSpec } from '../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import { provenance, recordInput, recordModel } from '../checkpoint/provenance'
import { withStagedFolder } from '../checkpoint/staged_folder'
import { carryOver, writeJson, writeText } from '../checkpoint/write_folder'
import { checkOptions, type Kinds, LISTENERS } from '../config/call_options'
import { toYaml } from '../config/parse'
import { throwFirst } from '../errors'
import { type AdapterMergeInputs, type AdapterMergeStatistics, type ByteProgress, runJob } from '../native'

/** Which adapter goes into which model. */
export interface MergeAdapterOptions {
  /** Model folder, or run folder. */
  model: string
  /** Folder with adapter_config.json and adapter_model.safetensors, or run folder. */
  adapter: string
  /** Model folder to be written. */
  out: string
  /** Replace what is at `out`, where it looks like ours; default: false, and ERR_EXISTS. */
  overwrite?: boolean | undefined
  /** Check everything and return the plan; write nothing. */
  dryRun?: boolean | undefined
}

export interface MergeAdapterCallbacks {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

const OPTIONS: Kinds<MergeAdapterOptions> = {
  model: 'needed',
  adapter: 'needed',
  out: 'needed',
  overwrite: 'flag',
  dryRun: 'flag',
}

/** What merging an adapter has changed. */
export interface MergeAdapterReport extends Partial<AdapterMergeStatistics> {
  /** The folder, as a full path. */
  out: string
  /** Whether nothing was written. */
  dry_run: boolean
  /** Layers with a low-rank product. */
  modules: number
  /** Of the weights of model and adapter. */
  bytes_to_read: number
  /** Of the weights of the result. */
  bytes_to_write: number
  /** Of reading, computing and writing. Absent from a dry run. */
  seconds?: number
}

/** As native/merge/low_rank_kernel.cpp does it. */
const ARITHMETIC = 'weight + scale * B A in double; one rounding to the dtype of the weight'

interface Inputs {
  model: ModelFolder
  adapter: AdapterFolder
  native: AdapterMergeInputs
}

/**
 * Merges a LoRA adapter into its model, streamed from disk to disk: out = W + scale * B A, in the model's own dtype;
 * what the adapter does not touch stays byte for byte. Throws ERR_ADAPTER, ERR_UNEXPECTED_TENSOR, ERR_MISSING_TENSOR,
 * ERR_SHAPE_MISMATCH, ERR_DTYPE, ERR_NO_SPACE, ERR_EXISTS before anything is written.
 */
export async function mergeAdapter(
  options: MergeAdapterOptions,
  callbacks: MergeAdapterCallbacks = {},
): Promise<MergeAdapterReport> {
  checkOptions('mergeAdapter', options, OPTIONS)
  checkOptions('mergeAdapter', callbacks, LISTENERS)
  const { overwrite = false, dryRun } = options
  const inputs = await load(options)
  const folders = [inputs.model.path, inputs.adapter.path]
  await runJob('checkOutput', { out: options.out, overwrite, inputs: folders })
  const { problems, ...plan } = await runJob('planAdapterMerge', inputs.native)
  throwFirst(problems)
  await checkSpace(resolve(options.out), plan.bytes_to_write, 'the merged model')
  const modules = inputs.adapter.modules.length
  const report: MergeAdapterReport = { out: resolve(options.out), dry_run: dryRun ?? false, modules, ...plan }
  if (dryRun) return report

  const stage = { overwrite, inputs: folders, signal: callbacks.signal }
  return withStagedFolder(options.out, stage, async (staged) => {
    const start = performance.now()
    const statistics = await runJob('mergeAdapter', { ...inputs.native, staged }, callbacks)
    const whole = { ...report, ...statistics, seconds: (performance.now() - start) / 1000 }
    await save(staged, inputs, whole, callbacks.signal)
    return whole
  })
}

async function load(options: MergeAdapterOptions): Promise<Inputs> {
  const model = await openModelFolder(options.model)
  const spec = decoderSpec(model.config, model.configFile)
  const adapter = await openAdapter(options.adapter)
  const native = {
    model: model.path,
    adapter: adapter.weights,
    adapters: adapter.modules,
    tied: spec.tie_word_embeddings,
  }
  return { model, adapter, native }
}

async function save(
  staged: string,
  { model, adapter }: Inputs,
  report: MergeAdapterReport,
  signal: AbortSignal | undefined,
): Promise<void> {
  await carryOver(model, staged, new Set(['README.md']))
  const config = { verb: 'adapter merge', model: model.path, adapter: adapter.path }
  await writeText(staged, 'resolved.yaml', toYaml(config))
  const records = [
    await recordModel('model', model, signal),
    await recordInput('adapter', adapter.path, [ADAPTER_CONFIG, ADAPTER_WEIGHTS], signal),
  ]
  await writeJson(staged, 'provenance.json', provenance('adapter merge', records, { arithmetic: ARITHMETIC }))
  await writeJson(staged, 'report.json', report)
  await writeModelCard(staged, {
    title: basename(report.out),
    summary: 'A model with a LoRA adapter merged into it.',
    origins: { model },
    config,
  })
}
