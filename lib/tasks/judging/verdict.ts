/** What a reply of a judge says, as FastChat's llm_judge reads it; null where it says nothing of the kind. */
import type { Order } from './prompt'

/** Twice in brackets, else once; the first that is there. */
const RATINGS = [/\[\[(\d+\.?\d*)\]\]/, /\[(\d+\.?\d*)\]/]
/** Of the scale; a number above it is none. */
const MOST = 10

/** Behind what a judge thought aloud; nothing where it never came to an end. A beginning may be left to the server. */
function said(reply: string): string {
  const end = reply.lastIndexOf('</think>')
  if (end >= 0) return reply.slice(end)
  return reply.trimStart().startsWith('<think>') ? '' : reply
}

export function ratingOf(reply: string): number | null {
  const words = said(reply)
  for (const pattern of RATINGS) {
    const rating = Number(pattern.exec(words)?.[1] ?? Number.NaN)
    if (!Number.isNaN(rating)) return rating <= MOST ? rating : null
  }
  return null
}

export type Winner = 'model' | 'baseline' | 'tie'

export function winnerOf(reply: string, order: Order): Winner | null {
  const [a, b] = order === 'model_first' ? (['model', 'baseline'] as const) : (['baseline', 'model'] as const)
  const words = said(reply)
  if (words.includes('[[A]]')) return a
  if (words.includes('[[B]]')) return b
  return words.includes('[[C]]') ? 'tie' : null
}

/** A model has won where it has in both orders; null where a verdict is missing. */
export function agreed(winners: readonly (Winner | null)[]): Winner | null {
  if (winners.includes(null)) return null
  return winners.every((winner) => winner === winners[0]) ? winners[0]! : 'tie'
}
