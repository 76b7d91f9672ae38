/** The config that ran, complete: with its defaults, and paths that hold from any folder. */
import type { MergeConfig, TokenSource } from '../../config/merge'
import type { MergeModels } from './references'
import { withoutPrefix } from './references'

export function resolvedConfig(config: MergeConfig, models: MergeModels): MergeConfig {
  const place = (reference: string) => {
    const { folder, adapter } = models.get(reference)!
    return adapter ? `${folder.path}+${adapter.path}` : folder.path
  }
  const entry = <Entry extends { model: string }>(given: Entry) => ({ ...given, model: place(given.model) })
  const base = (given: { base_model?: string | undefined }) =>
    given.base_model === undefined ? {} : { base_model: place(given.base_model) }
  const vocabulary = (source: string) =>
    source === 'union' || source === 'base' ? source : place(withoutPrefix(source))
  const { models: inputs, slices, tokenizer, tokenizer_source } = config
  return {
    verb: 'merge',
    ...config,
    ...(inputs && { models: inputs.map(entry) }),
    ...(slices && {
      slices: slices.map((slice) => ({ ...slice, ...base(slice), sources: slice.sources.map(entry) })),
    }),
    ...base(config),
    ...(tokenizer_source !== undefined && { tokenizer_source: vocabulary(tokenizer_source) }),
    ...(tokenizer && {
      tokenizer: {
        ...tokenizer,
        source: vocabulary(tokenizer.source),
        ...(tokenizer.tokens && { tokens: tokensAt(tokenizer.tokens, place) }),
      },
    }),
  }
}

type Tokens = NonNullable<NonNullable<MergeConfig['tokenizer']>['tokens']>

function tokensAt(tokens: Tokens, place: (reference: string) => string): Tokens {
  const at = (source: TokenSource): TokenSource => {
    if (typeof source === 'string') return place(source)
    return source.kind === 'model_token' ? { ...source, model: place(source.model) } : source
  }
  const entries = Object.entries(tokens).map(([token, given]) => {
    return [token, given.source === undefined ? given : { ...given, source: at(given.source) }] as const
  })
  return Object.fromEntries(entries)
}
