/** What many judgments come to. Two turns of one question are not independent: deviations are those of questions. */
import { agreed, type Winner } from './verdict'

export interface Figure {
  /** null where nothing is rated. */
  value: number | null
  /** Of the mean over questions; null of one question or none. */
  stderr: number | null
}

/** What is counted of a judgment. */
export interface Judged {
  question_id: string
  category: string
  turn: 1 | 2
  rating?: number | null
  winner?: Winner | null
}

/** One number of one turn of one question. */
interface Point {
  question_id: string
  category: string
  turn: 1 | 2
  value: number
}

/** By metric; the first is the one that models are compared by. `unrated`: judgments that say nothing, a number. */
export function scoresOf(judgments: readonly Judged[]): Record<string, Figure> {
  return isPairwise(judgments) ? pairFigures(judgments) : ratingFigures(judgments)
}

/** Of the first metric, by question: what two models are compared by. Questions without a judgment are left out. */
export function byQuestion(judgments: readonly Judged[]): Map<string, number> {
  const points = isPairwise(judgments) ? pairsOf(judgments).map(adjusted) : ratingsOf(judgments)
  return new Map([...clustersOf(points)].map(([id, { sum, count }]) => [id, sum / count]))
}

const isPairwise = (judgments: readonly Judged[]) => judgments.some(({ winner }) => winner !== undefined)

function ratingFigures(judgments: readonly Judged[]): Record<string, Figure> {
  const points = ratingsOf(judgments)
  return { ...breakdown('score', points, judgments), unrated: counted(judgments.length - points.length) }
}

const ratingsOf = (judgments: readonly Judged[]): Point[] =>
  judgments.flatMap(({ rating, ...place }) =>
    typeof rating === 'number' ? [{ ...place, value: rating }] : [],
  )

interface Pair {
  question_id: string
  category: string
  turn: 1 | 2
  winners: (Winner | null)[]
  winner: Winner
}

function pairFigures(judgments: readonly Judged[]): Record<string, Figure> {
  const pairs = pairsOf(judgments)
  const share = (is: (pair: Pair) => boolean) =>
    figure(pairs.map((pair) => ({ ...pair, value: is(pair) ? 1 : 0 })))
  const rated = judgments.filter(({ winner }) => winner !== null).length
  return {
    ...breakdown('adjusted_win_rate', pairs.map(adjusted), judgments),
    win_rate: share(({ winner }) => winner === 'model'),
    loss_rate: share(({ winner }) => winner === 'baseline'),
    tie_rate: share(({ winner }) => winner === 'tie'),
    agreement: share(({ winners: [one, other] }) => one === other),
    unrated: counted(judgments.length - rated),
  }
}

/** Both orders of each turn; pairs of which one has no verdict are left out. */
function pairsOf(judgments: readonly Judged[]): Pair[] {
  const pairs = new Map<string, Omit<Pair, 'winner'>>()
  for (const { question_id, category, turn, winner } of judgments) {
    const key = `${question_id} ${turn}`
    const pair = pairs.get(key) ?? { question_id, category, turn, winners: [] }
    pairs.set(key, { ...pair, winners: [...pair.winners, winner ?? null] })
  }
  return [...pairs.values()].flatMap((pair) => {
    const winner = agreed(pair.winners)
    return winner === null ? [] : [{ ...pair, winner }]
  })
}

/** A tie is half a win. */
const adjusted = ({ winner, ...place }: Pair): Point => ({
  ...place,
  value: { model: 1, tie: 0.5, baseline: 0 }[winner],
})

/** Of all, of each turn where there are two, of each category. */
function breakdown(
  name: string,
  points: readonly Point[],
  judgments: readonly Judged[],
): Record<string, Figure> {
  const of = (is: (place: Pick<Point, 'turn' | 'category'>) => boolean) => figure(points.filter(is))
  const turns = [...new Set(judgments.map(({ turn }) => turn))].sort()
  const categories = [...new Set(judgments.map(({ category }) => category))]
  const rows: [string, Figure][] = [
    [name, of(() => true)],
    ...(turns.length > 1
      ? turns.map((turn): [string, Figure] => [`${name}_turn_${turn}`, of((place) => place.turn === turn)])
      : []),
    ...categories.map((category): [string, Figure] => [
      `${name}_${category}`,
      of((place) => place.category === category),
    ]),
  ]
  return Object.fromEntries(rows)
}

function clustersOf(points: readonly Point[]): Map<string, { sum: number; count: number }> {
  const clusters = new Map<string, { sum: number; count: number }>()
  for (const { question_id, value } of points) {
    const { sum, count } = clusters.get(question_id) ?? { sum: 0, count: 0 }
    clusters.set(question_id, { sum: sum + value, count: count + 1 })
  }
  return clusters
}

/** The mean of all points; its deviation from what each question adds beyond its share of them (linearised). */
function figure(points: readonly Point[]): Figure {
  if (points.length === 0) return { value: null, stderr: null }
  const value = points.reduce((sum, point) => sum + point.value, 0) / points.length
  const clusters = [...clustersOf(points).values()]
  const count = clusters.length
  if (count < 2) return { value, stderr: null }
  const squares = clusters.reduce((sum, one) => sum + (one.sum - value * one.count) ** 2, 0)
  return { value, stderr: Math.sqrt((count / (count - 1)) * squares) / points.length }
}

const counted = (value: number): Figure => ({ value, stderr: null })
