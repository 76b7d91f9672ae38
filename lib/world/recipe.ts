/**
 * The training runs of the demo, as configs of `train`: base -> chat; base -> CP; chat -> plain CP; chat -> InsCP. The
 * demo itself leaves the last three to `adapt` (adaptation.ts).
 * Sizes and rates were tuned so that each claim of the papers can be seen within minutes on two cores; the script
 * bench/miniature_llama.py repeats the experiment in plain PyTorch from these same objects.
 */
import { join } from 'node:path'
import { cognateRows } from './cognates'
import { DATASET_FILES, type DatasetSizes } from './datasets'
import { tokenId, VOCABULARY } from './tokenizer'

/** Scales of the chat vector that the demo grafts onto the CP model. */
export const SCALES: readonly number[] = [0.25, 0.5, 0.75, 1, 1.25]

/** Greedy answers. Every document of the CP corpus is shorter, so a model that has learnt to end one has room to. */
export const GENERATION = { max_new_tokens: 32, temperature: 0, stop_token: '<eot>' } as const

/** Enough documents that no run reads one twice. */
export const DATASET_SIZES: DatasetSizes = {
  base_documents: 34000,
  conversations: 14000,
  cp_documents: 5600,
  held_out_documents: 64,
}

/** A Llama of 368,544 parameters, in the words of its config.json. */
export const ARCHITECTURE = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  hidden_size: 96,
  intermediate_size: 256,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  max_position_embeddings: 256,
  vocab_size: VOCABULARY.length,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: false,
  torch_dtype: 'float32',
  bos_token_id: tokenId('<bos>'),
  eos_token_id: null,
  pad_token_id: tokenId('<pad>'),
} as const

/**
 * How random weights are drawn: all normal with mean 0, norms 1. The embedding is large, so that the likeness of
 * cognate rows (of the embedding and of the head alike) survives training.
 */
export const INITIALIZATION = {
  /** Standard deviation of the embedding. */
  embedding_std: 0.6,
  /** Every matrix and the head: this over sqrt(columns). */
  matrix_gain: 1,
  /** o_proj is drawn smaller by this factor: 1 / sqrt(2 * layers). */
  attention_output_gain: 1 / Math.sqrt(6),
  /** down_proj likewise, and halved once more. */
  mlp_output_gain: 0.5 / Math.sqrt(6),
  /** row_b = correlation * row_a + sqrt(1 - correlation^2) * row_b in embedding and head. */
  related_rows: { correlation: 0.95, pairs: cognateRows() },
} as const

export type RunName = 'base' | 'chat' | 'cp' | 'org_cp' | 'ins_cp'

/** What distinguishes the runs: where they start, what they read, how long and how fast they learn. */
export interface Recipe {
  objective: 'cp' | 'inscp' | 'sft'
  /** Name of the run whose model it goes on from; null: random weights. */
  from: string | null
  /** Name of a file among the data sets. */
  data: string
  batch_size: number
  steps: number
  lr: number
}

// The template lengthens a document by four tokens. Twelve rows instead of ten make an update of InsCP cover as many
// documents as one of plain CP, within one percent; their order is the same, so both read the same text in step.
export const RECIPES: Readonly<Record<RunName, Recipe>> = {
  base: { objective: 'cp', from: null, data: DATASET_FILES.base, batch_size: 10, steps: 500, lr: 2e-3 },
  chat: { objective: 'sft', from: 'base', data: DATASET_FILES.chat, batch_size: 10, steps: 160, lr: 7e-4 },
  cp: { objective: 'cp', from: 'base', data: DATASET_FILES.cp_b, batch_size: 10, steps: 80, lr: 3e-4 },
  org_cp: { objective: 'cp', from: 'chat', data: DATASET_FILES.cp_b, batch_size: 10, steps: 80, lr: 3e-4 },
  ins_cp: { objective: 'inscp', from: 'chat', data: DATASET_FILES.cp_b, batch_size: 12, steps: 80, lr: 3e-4 },
}

/** Where the demo's files are: data sets and tokenizers in `world`, run folders in `runs`. */
export interface DemoPlaces {
  world: string
  runs: string
}

/** The folder that holds the tokenizer of base models, or of chat models, which end their turn. */
export function tokenizerFolder(places: DemoPlaces, kind: 'base' | 'chat'): string {
  return join(places.world, `tokenizer-${kind}`)
}

/** The config of one run of the demo, in the keys of `tongueforge train`. */
export function trainConfig(name: RunName, places: DemoPlaces, seed: number): Record<string, unknown> {
  return runConfig(name, RECIPES[name], places, seed)
}

/** The config of any run in the demo's world. */
export function runConfig(
  name: string,
  { objective, from, data, batch_size, steps, lr }: Recipe,
  places: DemoPlaces,
  seed: number,
): Record<string, unknown> {
  const source =
    from === null
      ? { init: { ...ARCHITECTURE, initialization: INITIALIZATION } }
      : { model: join(places.runs, from) }
  return {
    objective,
    ...source,
    ...(from === null && { tokenizer: tokenizerFolder(places, 'base') }),
    ...(objective === 'sft' && { tokenizer: tokenizerFolder(places, 'chat') }),
    out: join(places.runs, name),
    data: [{ path: join(places.world, data), format: objective === 'sft' ? 'messages' : 'text' }],
    sequence_length: 128,
    batch_size,
    steps,
    optimizer: { lr, weight_decay: 0, betas: [0.9, 0.95] },
    schedule: { kind: 'cosine', warmup: Math.max(10, Math.round(steps / 20)), min_lr: lr / 10 },
    clip: 1,
    seed,
  }
}
