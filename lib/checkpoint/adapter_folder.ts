/** Folders of adapters in PEFT's format: adapter_config.json and adapter_model.safetensors. */
import { join, resolve } from 'node:path'
import { TongueforgeError } from '../errors'
import { stat } from '../files'
import { runJob } from '../native'
import { type AdapterConfig, adapterConfig, lowRankOf } from './adapter_config'
import { readJsonObject } from './json_file'

export const ADAPTER_CONFIG = 'adapter_config.json'
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors'
/** Before every name in the file. */
const PREFIX = 'base_model.model.'
const LOW_RANK = /^(.+)\.lora_([AB])\.weight$/

/** One low-rank product, as native takes it. */
export interface AdapterModule {
  /** The layer's name: model.layers.0.self_attn.q_proj. */
  module: string
  rank: number
  /** What B A is multiplied by. */
  scale: number
}

export interface AdapterFolder {
  path: string
  weights: string
  config: AdapterConfig
  modules: AdapterModule[]
  /** The model's own tensors that the adapter replaces: PEFT's modules_to_save. */
  replaced: string[]
}

/**
 * Opens an adapter, or a run folder with one in `adapter/`; of the weights only the header is read.
 * Throws ERR_NOT_FOUND, ERR_ADAPTER for what is not supported, ERR_SAFETENSORS.
 */
export async function openAdapter(given: string): Promise<AdapterFolder> {
  const path = await locate(given)
  const file = join(path, ADAPTER_CONFIG)
  const config = adapterConfig(await readJsonObject(file, { code: 'ERR_ADAPTER' }), file)
  const weights = join(path, ADAPTER_WEIGHTS)
  if (!(await isFile(weights))) throw missing(given, path, ADAPTER_WEIGHTS)
  const names = (await runJob('inspectAdapter', { path: weights })).map(({ name }) =>
    plainName(name, weights),
  )
  const modules = [...new Set(names.flatMap((name) => LOW_RANK.exec(name)?.[1] ?? []))]
  const replaced = names.filter((name) => !LOW_RANK.test(name))
  return {
    path,
    weights,
    config,
    modules: modules.map((module) => ({ module, ...lowRankOf(config, module, file) })),
    replaced,
  }
}

function plainName(name: string, file: string): string {
  const reason = /\.lora_embedding_[AB]/.test(name)
    ? 'an adapter on the embedding'
    : /\.lora_magnitude_vector/.test(name)
      ? 'DoRA'
      : undefined
  if (reason === undefined && name.startsWith(PREFIX)) return name.slice(PREFIX.length)
  const why = reason ? `${reason}, which is not supported` : `a name that does not begin with ${PREFIX}`
  throw new TongueforgeError(
    'ERR_ADAPTER',
    `${file}: expected LoRA of linear layers, received ${name}: ${why}`,
    {
      hint: 'Merge it with PEFT (merge_and_unload) and use the model that this gives.',
      details: { file, tensor: name },
    },
  )
}

async function locate(given: string): Promise<string> {
  const folder = resolve(given)
  for (const path of [folder, join(folder, 'adapter')])
    if (await isFile(join(path, ADAPTER_CONFIG))) return path
  throw missing(given, folder, ADAPTER_CONFIG)
}

function missing(given: string, path: string, file: string): TongueforgeError {
  return new TongueforgeError('ERR_NOT_FOUND', `${given}: expected ${file} in the folder of an adapter`, {
    hint: 'Give the folder that PEFT or training with `lora` wrote; adapters in adapter_model.bin are not read: save them with PEFT as safetensors.',
    details: { path, file },
  })
}

const isFile = (path: string) =>
  stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  )
