/** Which places of an utterance are hidden to be foretold, as fairseq draws spans for HuBERT (arXiv 2106.07447). */
import type { Random } from '../text/random'

export interface HidingSpans {
  /** Of the places, the share that would be hidden if spans did not overlap. */
  probability: number
  /** Places a span. */
  length: number
  /** Of an utterance, however short. */
  least_spans: number
}

/**
 * Marks the hidden places of an utterance with 1: int(p T / length + u) spans, u uniform below 1, at least `least_spans`, that begin
 * at different places and may overlap. As in fairseq the last place is heard, but in an utterance too short for its spans,
 * of which all may be hidden.
 */
export function hideSpans(
  places: number,
  { probability, length, least_spans }: HidingSpans,
  random: Random,
): Int32Array {
  const hidden = new Int32Array(places)
  const drawn = Math.floor((probability * places) / length + random.uint32() / 2 ** 32)
  const spans = Math.min(Math.max(drawn, least_spans), places)
  const beginnings = Math.min(Math.max(places - length, spans + 1), places)
  for (const begin of random.permutation(beginnings).subarray(0, spans))
    hidden.fill(1, begin, Math.min(begin + length, places))
  return hidden
}
