/** The models of a merge, each opened once, by the text that a config calls it by. */
import { type AdapterFolder, openAdapter } from '../../checkpoint/adapter_folder'
import { type DecoderSpec, decoderSpec } from '../../checkpoint/model_config'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import type { MergeConfig } from '../../config/merge'
import { TongueforgeError } from '../../errors'
import { stat } from '../../files'
import { runJob, type TensorDescription } from '../../native'

export interface MergeModel {
  /** As the config writes it. */
  reference: string
  folder: ModelFolder
  spec: DecoderSpec
  /** Merged into it on the way. */
  adapter?: AdapterFolder
  tensors: ReadonlyMap<string, TensorDescription>
}

/** By reference, in the order in which a config names them, base_model last where it is not listed. */
export type MergeModels = ReadonlyMap<string, MergeModel>

/** The tokenizer section, or what stands for it. */
export function sectionOf({ tokenizer, tokenizer_source }: MergeConfig): MergeConfig['tokenizer'] {
  return tokenizer ?? (tokenizer_source === undefined ? undefined : { source: tokenizer_source })
}

/** The model whose tokenizer the section names; `model:PATH` is the older way to write it. */
function tokenizerModel(config: MergeConfig): string | undefined {
  const source = sectionOf(config)?.source
  if (source === undefined || source === 'union' || source === 'base') return undefined
  return withoutPrefix(source)
}

export const withoutPrefix = (source: string) => source.replace(/^model:/, '')

/** Models whose tensors are merged, each once, in the order of the config, base_model last where it is not listed. */
export function mergedOf({ models, slices, base_model }: MergeConfig): string[] {
  const listed = [
    ...(models ?? []).map(({ model }) => model),
    ...(slices ?? []).flatMap(({ sources, base_model: own }) => [
      ...sources.map(({ model }) => model),
      ...(own === undefined ? [] : [own]),
    ]),
  ]
  return [...new Set([...listed, ...(base_model === undefined ? [] : [base_model])])]
}

/** The model whose config.json and dtype the result has. */
export const ownerOf = (config: MergeConfig): string => config.base_model ?? mergedOf(config)[0]!

/** All models of a config: those that are merged, then those that only lend a tokenizer or rows of tokens. */
export function referencesOf(config: MergeConfig): string[] {
  const lending = Object.values(sectionOf(config)?.tokens ?? {}).flatMap(({ source }) => {
    if (source === undefined) return []
    if (typeof source === 'string') return [source]
    return source.kind === 'model_token' ? [source.model] : []
  })
  return [...new Set([...mergedOf(config), ...[tokenizerModel(config) ?? []].flat(), ...lending])]
}

/** Throws what opening models and adapters throws, and ERR_ARCHITECTURE where they are not of one family. */
export async function openModels(references: readonly string[]): Promise<MergeModels> {
  const models = new Map<string, MergeModel>()
  for (const reference of references) models.set(reference, await openReference(reference))
  const [first, ...others] = models.values()
  for (const other of others) checkSameFamily(first!, other)
  return models
}

async function openReference(reference: string): Promise<MergeModel> {
  const { path, lora } = await splitReference(reference)
  const folder = await openModelFolder(path)
  const { tensors } = await runJob('inspectWeights', { folder: folder.path, scan: false })
  return {
    reference,
    folder,
    spec: decoderSpec(folder.config, folder.configFile),
    ...(lora !== undefined && { adapter: await openAdapter(lora) }),
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
  }
}

/** `PATH+ADAPTER`; a folder that has a plus in its own name is that folder. */
async function splitReference(reference: string): Promise<{ path: string; lora?: string }> {
  if (await isThere(reference)) return { path: reference }
  for (let cut = reference.indexOf('+'); cut > 0; cut = reference.indexOf('+', cut + 1)) {
    const path = reference.slice(0, cut)
    if (await isThere(path)) return { path, lora: reference.slice(cut + 1) }
  }
  const [, path] = /^(.+)@[\w.-]+(\+|$)/.exec(reference) ?? []
  if (path === undefined || !(await isThere(path))) return { path: reference }
  throw new TongueforgeError(
    'ERR_CONFIG',
    `${reference}: expected a folder, received a revision of the hub`,
    {
      hint: `Download that revision, and give its folder: hf download ORG/NAME --revision ...`,
      details: { reference },
    },
  )
}

const isThere = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

function checkSameFamily(first: MergeModel, other: MergeModel): void {
  if (first.spec.architecture === other.spec.architecture) return
  throw new TongueforgeError(
    'ERR_ARCHITECTURE',
    `Expected models of one architecture, received ${first.spec.architecture} (${first.reference}) and ` +
      `${other.spec.architecture} (${other.reference})`,
    { hint: 'Only models of one family have the same tensors.' },
  )
}
