/** The kinds of scorers, by the key of the config that only they have. A new one: a file beside this, a row here. */
import type { ScorerConfig } from '../../config/scorers'
import { CLASSIFIER } from './classifier'
import { ENDPOINT } from './endpoint'
import { LEXICON } from './lexicon'
import type { ScorerKind } from './scorer'

const KINDS: readonly (readonly [key: keyof ScorerConfig, kind: ScorerKind])[] = [
  ['model', CLASSIFIER],
  ['url', ENDPOINT],
  ['lexicon', LEXICON],
]

export const kindOf = (config: ScorerConfig): ScorerKind =>
  KINDS.find(([key]) => config[key] !== undefined)![1]
