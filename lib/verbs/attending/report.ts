/** What is told of the heads of an encoder, alone and beside a run that they left one after the other. */
import type { PrunedRun } from './pruned_run'
import type { HeadShape, Shapes } from './shapes'
import { type Correlation, spearman } from './spearman'

export interface AttentionHead extends HeadShape {
  layer: number
  head: number
  /** With `pruned`: the stage with which it left, by number and name; null where it stayed. */
  step?: number | null
  stage?: string | null
  /** With `pruned`, where the run asked: what it was worth before the first head left. */
  score?: number
}

/** What each head looks at, by layer. */
export interface AttentionReport extends Omit<Shapes, 'heads'> {
  /** `model_type` of config.json. */
  architecture: string
  heads: AttentionHead[]
  /** How far the diagonality of heads is apart, at most. */
  spread: number
  pruned?: PruningOrder
}

/** Diagonality beside the order in which heads left. */
export interface PruningOrder {
  run: string
  removed: number
  stayed: number
  /** The stage and the criterion that `score` is of. */
  scores?: { stage: string; criterion: string }
  /** Empty where the spread of diagonality forbids one. */
  correlations: HeadCorrelation[]
  /** Why there are none. */
  refused?: string
}

export interface HeadCorrelation extends Correlation {
  /** step: above 0, diagonal heads left later, heads that stayed last of all. score: they were worth more. */
  with: 'step' | 'score'
  heads: number
}

/** A spread of diagonality below which heads are alike, and ranks among them are noise. */
const LEAST_SPREAD = 0.1

export function reportOf(
  architecture: string,
  { heads: shapes, ...counts }: Shapes,
  run: PrunedRun | undefined,
  seed: number,
): AttentionReport {
  const alone = shapes.flatMap((layer, i) => layer.map((shape, head) => ({ layer: i, head, ...shape })))
  const diagonality = alone.map((head) => head.diagonality)
  const spread = Math.max(...diagonality) - Math.min(...diagonality)
  const heads = run ? alone.map((head) => ({ ...head, ...fateOf(head, run) })) : alone
  return {
    ...{ architecture, ...counts, spread, heads },
    ...(run && { pruned: orderOf(heads, run, spread, seed) }),
  }
}

function fateOf(
  { layer, head }: Pick<AttentionHead, 'layer' | 'head'>,
  { removed, scores }: PrunedRun,
): Pick<AttentionHead, 'step' | 'stage' | 'score'> {
  const left = removed.find((one) => one.layer === layer && one.head === head)
  return {
    ...{ step: left?.step ?? null, stage: left?.stage ?? null },
    ...(scores && { score: scores.of[layer]![head]! }),
  }
}

function orderOf(
  heads: readonly AttentionHead[],
  run: PrunedRun,
  spread: number,
  seed: number,
): PruningOrder {
  const { path, removed, scores } = run
  const facts = {
    ...{ run: path, removed: removed.length, stayed: heads.length - removed.length },
    ...(scores && { scores: { stage: scores.stage, criterion: scores.criterion } }),
  }
  if (spread <= LEAST_SPREAD) return { ...facts, correlations: [], refused: refusal(spread, heads.length) }
  const correlation = (beside: HeadCorrelation['with'], of: (head: AttentionHead) => number) => {
    const diagonality = heads.map((head) => head.diagonality)
    return { with: beside, heads: heads.length, ...spearman(diagonality, heads.map(of), seed) }
  }
  const correlations = [correlation('step', ({ step }) => step ?? Number.MAX_SAFE_INTEGER)]
  if (scores) correlations.push(correlation('score', ({ score }) => score!))
  return { ...facts, correlations }
}

const refusal = (spread: number, heads: number) =>
  `no correlation is quoted: diagonality spreads by ${Number(spread.toPrecision(2))} over ${heads} heads, ` +
  `${LEAST_SPREAD} or less, so that none of them is diagonal beside the others and their ranks are noise`
