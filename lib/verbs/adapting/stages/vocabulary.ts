/** More tokens for a model, by the verb `vocab extend`. */
import { checkConfig } from '../../../config/parse'
import { type VocabExtendConfig, vocabExtendSchema } from '../../../config/vocab_extend'
import { countParameters, DTYPE_BYTES } from '../../../counting/parameters'
import { recordSources } from '../../training/identity'
import { PROCESS_BYTES } from '../../training/memory'
import {
  type ExtendVocabularyOptions,
  type ExtendVocabularyProgress,
  extendVocabulary,
} from '../../vocab_extend'
import { load } from '../../vocabulary/inputs'
import { checkOptions } from '../../vocabulary/options'
import { again } from '../again'
import type { StageKind } from '../stage'

type Config = VocabExtendConfig & { model: string; out: string }

const stage: StageKind<Config> = {
  makesModel: true,
  async read({ model, out, ...keys }: { model?: string; out?: string }) {
    const config = { ...checkConfig(vocabExtendSchema, keys, 'vocabulary'), model: model!, out: out! }
    checkOptions(optionsOf(config))
    return config
  },
  decisive: ({ model: _m, out: _o, data: _d, threads: _t, ...keys }) => keys,
  async content({ data = [] }, reading) {
    const sources = data.map((source) => ({ ...source, weight: 1 }))
    return (await recordSources('data', sources, reading)).content
  },
  async needs(config) {
    const { spec } = await load(optionsOf(config))
    const more = (config.tokens ?? 0) + config.special_tokens.length
    const grown = { ...spec, vocab_size: spec.vocab_size + more }
    const advice = 'Give it less text: data of the vocabulary.'
    const model_bytes = DTYPE_BYTES[spec.dtype ?? 'float32'] * countParameters(grown)
    return { memory_bytes: PROCESS_BYTES, advice, model_bytes, working_bytes: 0 }
  },
  run: (config, { signal, onWarning, onProgress }) =>
    again(
      config,
      async (how) => {
        const told = ({ stage: label, done, total }: ExtendVocabularyProgress) =>
          onProgress({ label: `vocabulary, ${label}`, done, total })
        const options = { ...optionsOf(config), ...how }
        const report = await extendVocabulary(options, { signal, onWarning, onProgress: told })
        const { learnt_tokens, tokens, held_out, seconds = 0 } = report
        const held = held_out ? { held_out: { ...held_out } } : {}
        return { figures: { learnt_tokens, tokens: tokens.after, ...held }, seconds }
      },
      { overwrite: true },
    ),
}

export default stage

const optionsOf = (config: Config): ExtendVocabularyOptions => ({
  ...{ model: config.model, out: config.out, data: config.data, tokens: config.tokens },
  ...{ coverage: config.coverage, minCount: config.min_count, maxTokenLength: config.max_token_length },
  ...{ specialTokens: config.special_tokens, padToMultipleOf: config.pad_to_multiple_of },
  threads: config.threads,
})
