/** More tokens for a model, by the verb `vocab extend`. */
import { checkConfig } from '../../../config/parse'
import { type VocabExtendConfig, vocabExtendSchema } from '../../../config/vocab_extend'
import { recordSources } from '../../training/identity'
import { type ExtendVocabularyOptions, extendVocabulary } from '../../vocab_extend'
import { checkOptions } from '../../vocabulary/options'
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
  async run(config, { signal, onWarning, onProgress }) {
    const told = ({ stage: label, done, total }: { stage: string; done: number; total?: number }) =>
      onProgress({ label: `vocabulary, ${label}`, done, total })
    const options = { ...optionsOf(config), overwrite: true }
    const report = await extendVocabulary(options, { signal, onWarning, onProgress: told })
    const { learnt_tokens, tokens, held_out } = report
    return {
      figures: { learnt_tokens, tokens: tokens.after, ...(held_out && { held_out: { ...held_out } }) },
      seconds: report.seconds ?? 0,
    }
  },
}

export default stage

const optionsOf = (config: Config): ExtendVocabularyOptions => ({
  ...{ model: config.model, out: config.out, data: config.data, tokens: config.tokens },
  ...{ coverage: config.coverage, minCount: config.min_count, maxTokenLength: config.max_token_length },
  ...{ specialTokens: config.special_tokens, padToMultipleOf: config.pad_to_multiple_of },
  threads: config.threads,
})
