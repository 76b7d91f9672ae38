/** Something that gives texts a number: how toxic they are, or how glad. */
import type { InputRecord } from '../../checkpoint/provenance'
import type { EvaluateConfig } from '../../config/evaluate'
import type { Scored, ScorerConfig } from '../../config/scorers'
import type { MeasureOptions } from '../evaluating/measure'

export interface ScorerContext {
  /** What it scores. */
  name: Scored
  scorer: ScorerConfig
  config: EvaluateConfig
  signal?: AbortSignal | undefined
}

export interface ScoreOptions extends MeasureOptions {
  onWarning?: ((message: string) => void) | undefined
}

export interface Scorer {
  /** Of each text, in their order, null of one that cannot be scored; none is empty. Rejects with `signal.reason`. */
  score(texts: readonly string[], options: ScoreOptions): Promise<(number | null)[]>
  dispose?(): Promise<void>
}

/** What decides its scores: a hash of it, and the files behind that. */
export interface ScorerIdentity {
  identity: object
  inputs: InputRecord[]
}

export interface ScorerKind {
  /** What can be said before a model is loaded. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_DATA. */
  check(context: ScorerContext): Promise<void>
  identity(context: ScorerContext): Promise<ScorerIdentity>
  open(context: ScorerContext): Promise<Scorer>
}
