/** What a model said on its way through a training: before the first update beside the last. */
import { z } from 'zod'
import type { Block } from '../../report/blocks'

export const sampleSchema = z.looseObject({
  step: z.number(),
  prompt: z.string(),
  text: z.string(),
  finish_reason: z.string(),
})

export function beforeAndAfter(samples: readonly z.output<typeof sampleSchema>[], file: string): Block[] {
  if (samples.length === 0) return []
  const steps = [...new Set(samples.map(({ step }) => step))].sort((a, b) => a - b)
  const compared = [...new Set([steps[0]!, steps.at(-1)!])]
  const talks = [...new Set(samples.map(({ prompt }) => prompt))].map((prompt) => ({
    prompt,
    answers: compared.flatMap((step) => {
      const said = samples.find((sample) => sample.prompt === prompt && sample.step === step)
      if (said === undefined) return []
      const note = said.finish_reason === 'stop' ? '' : 'cut off'
      return [{ from: step === 0 ? 'before' : `after ${step} updates`, text: said.text, note }]
    }),
  }))
  return [{ kind: 'talk', file, caption: 'What it says', talks }]
}
