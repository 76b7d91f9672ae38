/** One model on one task of generation: conversations -> answers -> what is found of them -> a sample a document. */
import type { EvaluateConfig } from '../../config/evaluate'
import type { Answered, Findings } from '../../tasks/generation'
import type { GenerationTask } from '../../tasks/task'
import type { Model } from '../model'
import { answersOf, type Turn } from './answer'
import { ConversationPrompts } from './conversation_prompts'
import { found } from './findings'
import type { MeasureOptions } from './measure'
import type { OpenGenerationTask } from './open_task'
import type { PlannedModel } from './plan'

/** A document with all that was said of it: a line of samples_TASK.jsonl. */
export interface GenerationSample {
  doc_id: number
  doc: object
  /** Each with the prompt to the letter. */
  turns: Turn[]
  target?: string | readonly string[]
  found: Findings
  /** By measure; null where the document tells nothing. */
  values: Record<string, number | null>
}

export async function writtenSamples(
  model: Model,
  planned: PlannedModel,
  opened: OpenGenerationTask,
  config: EvaluateConfig,
  options: MeasureOptions,
): Promise<GenerationSample[]> {
  const prompts = await ConversationPrompts.open(planned, config)
  const turns = await answersOf(model, opened, prompts, config, options)
  const documents = opened.conversations.map((conversation, i) => ({ conversation, turns: turns[i]! }))
  const findings = await found(documents, { ...options, task: opened.task, config })
  return documents.map(({ conversation, turns: answers }, i) => {
    const { target } = conversation
    const answered: Answered = { conversation, answers, found: findings[i]! }
    return {
      ...{ doc_id: i, doc: opened.docs[i]!, turns: answers },
      ...(target !== undefined && { target }),
      ...{ found: findings[i]!, values: valuesOf(opened.task, answered) },
    }
  })
}

function valuesOf({ measures }: GenerationTask, answered: Answered): Record<string, number | null> {
  return Object.fromEntries(Object.entries(measures).map(([name, measure]) => [name, measure.of(answered)]))
}
