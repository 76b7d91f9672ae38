/** What a kind of probe foretells: how its labels are read, and how good predictions are. A kind is a file in kinds/. */
import type { FrontEnd } from '../../audio/front_end'
import type { Utterance } from '../../audio/list'
import type { OneProbe } from '../../config/probe'
import type { Lexicon } from '../../text/lexicon'

/** Of one utterance, as text: a class, tokens, or a class a place (null: none is said). */
export type Label = readonly (string | null)[]

export interface LabelSource {
  probe: OneProbe
  frontEnd: FrontEnd
  lexicon: Lexicon | undefined
  /** Folder of the manifest, where paths in its columns begin. */
  folder: string
  places: number
}

/** Numbers of a target or a prediction: a class, a class a place, tokens. */
export type Numbers = ArrayLike<number>

export interface Scored {
  /** Of sequences errors by tokens: it can be above 1. */
  [figure: string]: number
}

export interface ProbeKind {
  /** See native/probe/objective.h. */
  objective: 'class' | 'sequence'
  /** It sees the mean of an utterance, not its places. */
  pooled: boolean
  /** Classes before those that labels name: the blank of CTC. */
  blanks: number
  /** Whether the test may have a class that is in no training sound. */
  allowsUnseen: boolean
  read(utterance: Utterance, source: LabelSource): Promise<Label>
  /** Over all utterances of the test. */
  score(targets: readonly Numbers[], predictions: readonly Numbers[]): Scored
  /** As predictions.jsonl has it; `names` of classes by number. */
  shown(numbers: Numbers, names: readonly string[]): unknown
}
