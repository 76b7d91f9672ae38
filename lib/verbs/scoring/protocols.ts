/** What endpoints of scorers are sent, and what they answer. A new protocol: a row here, a word in lib/config/scorers.ts. */
import { z } from 'zod'
import type { ScorerConfig } from '../../config/scorers'

interface Protocol {
  /** The header that a key is sent in; default: `authorization: Bearer KEY`. */
  keyHeader?: string
  /** A request has one text. */
  one?: true
  body(texts: readonly string[], attribute: string, scorer: ScorerConfig): object
  /** undefined where the reply is another. */
  scores(reply: unknown, attribute: string): number[] | undefined
}

const ours = z.looseObject({ scores: z.array(z.number()) })

const perspective = z.looseObject({
  attributeScores: z.record(
    z.string(),
    z.looseObject({ summaryScore: z.looseObject({ value: z.number() }) }),
  ),
})

export const PROTOCOLS: Readonly<Record<ScorerConfig['protocol'], Protocol>> = {
  tongueforge: {
    body: (texts, attribute) => ({ attribute, texts }),
    scores: (reply) => ours.safeParse(reply).data?.scores,
  },
  perspective: {
    keyHeader: 'x-goog-api-key',
    one: true,
    body: ([text], attribute, { languages }) => ({
      comment: { text },
      requestedAttributes: { [attribute]: {} },
      ...(languages && { languages }),
      doNotStore: true,
    }),
    scores: (reply, attribute) => {
      const score = perspective.safeParse(reply).data?.attributeScores[attribute]?.summaryScore.value
      return score === undefined ? undefined : [score]
    },
  },
}
