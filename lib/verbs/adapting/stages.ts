/** The verbs that stages call. */
import type { StageKind, StageVerb } from './stage'
import compress from './stages/compress'
import evaluate from './stages/evaluate'
import graft from './stages/graft'
import sweep from './stages/sweep'
import train from './stages/train'
import vocabulary from './stages/vocabulary'

export const STAGE_KINDS = { train, evaluate, graft, sweep, vocabulary, compress } as unknown as Readonly<
  Record<StageVerb, StageKind>
>
