// What compress_speed.mjs times: how a model of random weights is written, timed, and counted. Figures by name: of a pass over
// a prompt or a row of sound, and of a decoded token.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect, measureSpeed } from 'tongueforge'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { writeTokenizer } from '#lib/world/tokenizer'

const INIT = {
  seed: 1,
  embedding_std: 1,
  matrix_std: 0,
  matrix_gain: 1,
  attention_output_gain: 1,
  mlp_output_gain: 1,
  correlation: 0,
  related_rows: [],
}
const PLACE_SECONDS = 0.02

async function writeModel(folder, config, threads) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const model = await runJob('initialiseModel', { spec: modelSpec(config), init: INIT, threads })
  await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 5e9 })
  native().dispose(model)
  return folder
}

/** Effective: of what is left beside zeros. */
const macs = async (folder, tokens) => (await inspect(folder, { macs: true, tokens })).macs.effective.core

export const MODELS = {
  llama: {
    async write(folder, layers, threads) {
      const sizes = {
        ...{ hidden_size: 768, intermediate_size: 3072, num_hidden_layers: layers },
        ...{ num_attention_heads: 12, num_key_value_heads: 12 },
        ...{ max_position_embeddings: 2048, rms_norm_eps: 1e-5, rope_theta: 10000 },
        vocab_size: 256, // the head is no matter here
      }
      const names = { model_type: 'llama', architectures: ['LlamaForCausalLM'], torch_dtype: 'float32' }
      await writeModel(folder, { ...names, ...sizes }, threads)
      await writeTokenizer(folder, { endOfTurn: false })
      return folder
    },
    async timed(folder, tokens, options) {
      const report = await measureSpeed(folder, { tokens, newTokens: 8, ...options })
      const { first_token_seconds: first, token_seconds: token, sparse } = report
      return { prompt: first.min, token: token.min, sparse }
    },
    async macs(folder, tokens) {
      const prompt = await macs(folder, tokens)
      return { prompt, token: (await macs(folder, tokens + 1)) - prompt }
    },
  },

  melhubert: {
    write: (folder, layers, threads) =>
      writeModel(
        folder,
        {
          model_type: 'melhubert',
          ...{ feat_emb_dim: 80, num_cluster: 512, hidden_size: 768, intermediate_size: 3072 },
          ...{ num_hidden_layers: layers, num_attention_heads: 12 },
          ...{ num_conv_pos_embeddings: 128, num_conv_pos_embedding_groups: 16 },
        },
        threads,
      ),
    async timed(folder, places, options) {
      const report = await measureSpeed(folder, { clipSeconds: places * PLACE_SECONDS, ...options })
      return { row: report.pass_seconds.min, sparse: report.sparse }
    },
    macs: async (folder, places) => ({ row: await macs(folder, places) }),
  },
}
