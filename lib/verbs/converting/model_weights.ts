/** The weights of a transformers folder: which tensors are written, and under which names. */
import { join } from 'node:path'
import { type JsonObject, readJsonObject } from '../../checkpoint/json_file'
import { isDecoderConfig } from '../../checkpoint/model_config'
import { openModelFolder } from '../../checkpoint/model_folder'
import { recordInput } from '../../checkpoint/provenance'
import { TongueforgeError } from '../../errors'
import type { TorchFileContent } from '../../native'
import type { Conversion, PlannedTensor } from './conversion'
import type { SourceFiles } from './source_files'
import { otherKeys, stateDict } from './state_dict'

/** Heads that may share their weight with an embedding: of two names for one tensor, theirs is the copy. */
const HEAD = /^(lm_head|cls|embed_out|generator_lm_head)\./
/** What BERT's norms were called when it was made of TensorFlow's. */
const OLD_NORMS = [
  [/LayerNorm\.gamma$/, 'LayerNorm.weight'],
  [/LayerNorm\.beta$/, 'LayerNorm.bias'],
] as const

/** Throws ERR_NOT_FOUND without a config.json beside the weights, ERR_PICKLE, ERR_SHARD_INDEX. */
export async function planModelWeights(
  source: SourceFiles,
  files: readonly TorchFileContent[],
): Promise<Conversion> {
  const { folder, names, index } = source
  const config = await readConfig(folder)
  const carried = await openModelFolder(folder)
  const found = files.flatMap((content, file) => namedTensors(join(folder, names[file]!), content, file))
  if (index) checkIndex(join(folder, index.name), index, found)
  const { tensors, shared } = withoutCopies(renamed(found, config), config)
  const leftOut = files.flatMap(({ tree, left_out }) => [...otherKeys(tree), ...left_out])
  return {
    facts: { kind: 'transformers', architecture: String(config.model_type), shared, left_out: leftOut },
    tensors,
    config,
    carried,
    files: {},
    record: async (signal) => {
      const read = [...names, ...(index ? [index.name] : []), 'config.json']
      return [await recordInput('source', folder, read, signal)]
    },
  }
}

async function readConfig(folder: string): Promise<JsonObject> {
  const file = join(folder, 'config.json')
  try {
    return await readJsonObject(file, { code: 'ERR_MODEL_CONFIG' })
  } catch (error) {
    if (!(error instanceof TongueforgeError) || error.code !== 'ERR_NOT_FOUND') throw error
    throw new TongueforgeError(
      'ERR_NOT_FOUND',
      `${file}: expected the config.json of these weights, found none`,
      {
        hint: 'Put the small files of the model beside its weights. Checkpoints of MelHuBERT need none.',
        details: { file },
      },
    )
  }
}

function namedTensors(path: string, content: TorchFileContent, file: number): PlannedTensor[] {
  return [...stateDict(path, content)].map(([name, { id, shape, bytes }]) => ({
    name,
    file,
    id,
    shape,
    bytes,
  }))
}

function renamed(all: PlannedTensor[], config: JsonObject): PlannedTensor[] {
  if (config.model_type !== 'bert') return all
  const rename = (name: string) => OLD_NORMS.reduce((given, [old, now]) => given.replace(old, now), name)
  return all.map((tensor) => ({ ...tensor, name: rename(tensor.name) }))
}

/** Index and shards must tell the same, in both directions. */
function checkIndex(
  path: string,
  index: NonNullable<SourceFiles['index']>,
  all: readonly PlannedTensor[],
): void {
  const listed = new Set(index.tensors.map(({ name, file }) => `${file} ${name}`))
  const found = new Set(all.map(({ name, file }) => `${file} ${name}`))
  const refuse = (key: string, expected: string) => {
    const [, file, tensor] = /^(\d+) (.*)$/s.exec(key)!
    throw new TongueforgeError(
      'ERR_SHARD_INDEX',
      `${path}: tensor "${tensor}": expected ${expected} ${index.files[Number(file)]}`,
      {
        hint: 'Fetch index and shards again.',
        details: { file: path, tensor },
      },
    )
  }
  for (const key of listed) if (!found.has(key)) refuse(key, 'it in')
  for (const key of found) if (!listed.has(key)) refuse(key, 'the index to list what is in')
}

/**
 * Of several names for one view of one storage, as transformers writes them: where config.json ties weights, one name
 * is left; elsewhere each gets data of its own.
 */
function withoutCopies(all: PlannedTensor[], config: JsonObject) {
  const shared: Record<string, string> = {}
  // Decoders are untied where the key is absent, all else is tied: as transformers has it.
  if (!(config.tie_word_embeddings ?? !isDecoderConfig(config))) return { tensors: all, shared }
  const views = new Map<string, PlannedTensor[]>()
  for (const tensor of all) {
    const view = `${tensor.file} ${tensor.id}`
    views.set(view, [...(views.get(view) ?? []), tensor])
  }
  for (const same of views.values()) {
    const original = same.find(({ name }) => !HEAD.test(name)) ?? same[0]!
    for (const { name } of same) if (name !== original.name) shared[name] = original.name
  }
  return { tensors: all.filter(({ name }) => !Object.hasOwn(shared, name)), shared }
}
