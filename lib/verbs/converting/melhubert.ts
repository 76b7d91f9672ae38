/**
 * Official checkpoints of MelHuBERT and of its compression (arXiv 2211.09949): `model`, `Upstream_Config`, and what
 * pruning adds to them. Sizes of blocks are read off the tensors; weights with a mask are multiplied by it.
 */
import { join } from 'node:path'
import type { JsonObject } from '../../checkpoint/json_file'
import type { LayerSpec } from '../../checkpoint/layers'
import { readNpyMatrix } from '../../checkpoint/npy'
import { recordInput } from '../../checkpoint/provenance'
import { TongueforgeError } from '../../errors'
import type { TorchFileContent } from '../../native'
import type { Conversion, PlannedTensor } from './conversion'
import { headSizeOf, melHubertConfig, type OfficialConfig, officialConfig } from './melhubert_config'
import { removedHeads } from './pruned_heads'
import type { SourceFiles } from './source_files'
import { isObject, partOf, type StateDict, stateDict } from './state_dict'

/** How the official code computes features, beside their mean and deviation. */
const FEATURES = {
  feature_extractor_type: 'MelHubertFeatureExtractor',
  sampling_rate: 16000,
  frame_length_ms: 25,
  frame_shift_ms: 10,
  preemphasis: 0.97,
  window: 'hamming',
  dither: 0,
}

/** Whether a file is such a checkpoint. */
export const isMelHubert = ({ tree }: TorchFileContent): boolean =>
  isObject(partOf(tree, 'Upstream_Config')) && partOf(tree, 'model') !== undefined

/** Throws ERR_PICKLE, ERR_MODEL_CONFIG and ERR_SHAPE_MISMATCH for a checkpoint that contradicts itself, ERR_DATA. */
export async function planMelHubert(
  { folder, names }: SourceFiles,
  content: TorchFileContent,
  statistics?: string,
): Promise<Conversion> {
  const file = join(folder, names[0]!)
  const config = upstreamConfig(file, content)
  const dict = stateDict(file, content, 'model')
  const tensors = unmasked(file, dict)
  const layers = layersOf(file, config, tensors)
  const moments = statistics === undefined ? undefined : await readStatistics(statistics)
  const stacked = stackedFrames(config, moments?.mean.length, file)
  const result = melHubertConfig(config, layers, stacked)
  const masked = tensors.filter(({ mask }) => mask !== undefined).length
  const removed = removedHeads(partOf(content.tree, 'Pruned_heads'), config.encoder_attention_heads)
  return {
    facts: {
      kind: 'melhubert',
      architecture: String(result.model_type),
      shared: {},
      left_out: Object.keys(content.tree as JsonObject).filter(
        (key) => key !== 'model' && key !== 'Upstream_Config',
      ),
      ...(masked > 0 && { masked }),
      ...(removed && { removed_heads: removed }),
    },
    tensors,
    config: result,
    files: moments
      ? {
          'preprocessor_config.json': {
            ...FEATURES,
            num_mel_bins: moments.mean.length,
            stacked_frames: stacked,
            ...moments,
          },
        }
      : {},
    record: async (signal) => [
      await recordInput('source', folder, names, signal),
      ...(statistics === undefined ? [] : [await recordInput('statistics', statistics, [], signal)]),
    ],
  }
}

function upstreamConfig(file: string, { tree }: TorchFileContent): OfficialConfig {
  const upstream = partOf(tree, 'Upstream_Config')
  const key = partOf(upstream, 'melhubert') === undefined ? 'hubert' : 'melhubert'
  const content = partOf(upstream, key)
  const where = `${file}: Upstream_Config.${key}`
  if (!isObject(content)) throw contradiction(file, 'Upstream_Config.melhubert to be a table of the model')
  const config = officialConfig(content, where)
  if (!Number.isInteger(headSizeOf(config)))
    throw contradiction(
      where,
      `encoder_embed_dim (${config.encoder_embed_dim}) to be a multiple of encoder_attention_heads (${config.encoder_attention_heads})`,
    )
  return config
}

/** `X_orig` and `X_mask` become X. */
function unmasked(file: string, dict: StateDict): PlannedTensor[] {
  const tensors: PlannedTensor[] = []
  for (const [key, { id, shape, bytes }] of dict) {
    const [, name, part] = /^(.*)_(orig|mask)$/.exec(key) ?? []
    const other = name !== undefined && dict.get(`${name}_${part === 'orig' ? 'mask' : 'orig'}`)
    if (other === undefined) throw contradiction(file, `both ${name}_orig and ${name}_mask in model`)
    if (part === 'mask') continue
    const mask = other === false ? {} : { mask: other.id }
    tensors.push({ name: name ?? key, file: 0, id, shape, bytes, ...mask })
  }
  return tensors
}

/** Heads and hidden units of each block, which pruning has left different. */
function layersOf(file: string, config: OfficialConfig, tensors: readonly PlannedTensor[]): LayerSpec[] {
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]))
  const head = headSizeOf(config)
  const rows = (name: string) => {
    const shape = shapes.get(name)
    if (shape === undefined)
      throw contradiction(file, `the tensor ${name}: encoder_layers is ${config.encoder_layers}`)
    return shape[0] ?? 0
  }
  return Array.from({ length: config.encoder_layers }, (_, i) => {
    const layer = `encoder.layers.${i}`
    const width = rows(`${layer}.self_attn.q_proj.weight`)
    if (width === 0 || width % head !== 0)
      throw contradiction(
        file,
        `${layer}.self_attn.q_proj.weight to have whole heads of ${head} rows, not ${width} rows`,
      )
    const heads = width / head
    return {
      ...{ num_heads: heads, num_kv_heads: heads, intermediate_size: rows(`${layer}.fc1.weight`) },
      ...{ window: 0, ranks: {} },
    }
  })
}

/** Frames of 10 ms that make one place. Without statistics: of the official 40 bins. */
function stackedFrames(
  { feat_emb_dim: width }: OfficialConfig,
  bins: number | undefined,
  file: string,
): number {
  if (bins === undefined) return width === 80 ? 2 : 1
  if (width === bins || width === 2 * bins) return width / bins
  throw contradiction(file, `feat_emb_dim to be the ${bins} bins of a frame, or of two, not ${width}`)
}

/** Of [2, bins]: mean above, deviation below. */
async function readStatistics(file: string): Promise<{ mean: number[]; std: number[] }> {
  const rows = await readNpyMatrix(file)
  const [mean, std] = rows
  const plain = rows.flat().every(Number.isFinite) && std?.every((value) => value > 0)
  if (rows.length === 2 && mean!.length > 0 && plain) return { mean: mean!, std: std! }
  throw new TongueforgeError(
    'ERR_DATA',
    `${file}: expected two rows, finite means and deviations above 0, received ${rows.length} rows`,
    {
      hint: 'Give the mean-std .npy that the model was trained with, such as libri-960-mean-std.npy.',
      details: { file },
    },
  )
}

function contradiction(file: string, expected: string): TongueforgeError {
  return new TongueforgeError('ERR_PICKLE', `${file}: expected ${expected}`, {
    hint: 'The checkpoint contradicts itself: fetch it again.',
    details: { file, reason: 'contradiction' },
  })
}
