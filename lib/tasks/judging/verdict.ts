/** What a reply of a judge says, as FastChat's llm_judge reads it; null where it says nothing of the kind. */
import type { Order } from './prompt'

/** Twice in brackets, else once; the first that is there. */
const RATINGS = [/\[\[(\d+\.?\d*)\]\]/, /\[(\d+\.?\d*)\]/]
/** Of the scale; a number above it is none. */
const MOST = 10

export function ratingOf(reply: string): number | null {
  for (const pattern of RATINGS) {
    const rating = Number(pattern.exec(reply)?.[1] ?? Number.NaN)
    if (!Number.isNaN(rating)) return rating <= MOST ? rating : null
  }
  return null
}

export type Winner = 'model' | 'baseline' | 'tie'

export function winnerOf(reply: string, order: Order): Winner | null {
  const [a, b] = order === 'model_first' ? (['model', 'baseline'] as const) : (['baseline', 'model'] as const)
  if (reply.includes('[[A]]')) return a
  if (reply.includes('[[B]]')) return b
  return reply.includes('[[C]]') ? 'tie' : null
}

/** A model has won where it has in both orders; null where a verdict is missing. */
export function agreed(winners: readonly (Winner | null)[]): Winner | null {
  if (winners.includes(null)) return null
  return winners.every((winner) => winner === winners[0]) ? winners[0]! : 'tie'
}
