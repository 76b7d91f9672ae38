/** Answers of one model on one task of generation -> what is found of them -> a sample a document. */
import type { Answered, Conversation, Findings } from '../../tasks/generation'
import type { Doc, GenerationTask } from '../../tasks/task'
import type { Turn } from './answer'
import { type FindContext, found } from './findings'
import type { OpenGenerationTask } from './open_task'

/** A document with all that was said of it: a line of samples_TASK.jsonl. */
export interface GenerationSample {
  /** Its place in the split. */
  doc_id: number
  doc: Doc
  /** The turns of the user. */
  asked: string[]
  /** What the model said to each, with the prompt to the letter. */
  turns: Turn[]
  target?: string | readonly string[]
  found: Findings
  /** By measure; null where the document tells nothing. */
  values: Record<string, number | null>
}

/** Of each document with its answers. Throws what finding out about them throws. */
export async function measuredAnswers(
  { task, docs, numbers, conversations }: OpenGenerationTask,
  turns: readonly Turn[][],
  context: FindContext,
): Promise<GenerationSample[]> {
  const documents = conversations.map((conversation, i) => ({ conversation, turns: turns[i]! }))
  const findings = await found(documents, context)
  return documents.map(({ conversation, turns: answers }, i) => {
    const { target } = conversation
    const answered: Answered = { conversation, answers, found: findings[i]! }
    return {
      ...{ doc_id: numbers[i]!, doc: docs[i]!, asked: askedIn(conversation), turns: answers },
      ...(target !== undefined && { target }),
      ...{ found: findings[i]!, values: valuesOf(task, answered) },
    }
  })
}

const askedIn = ({ messages, later = [] }: Conversation): string[] => [messages.at(-1)!.content, ...later]

function valuesOf({ measures }: GenerationTask, answered: Answered): Record<string, number | null> {
  return Object.fromEntries(Object.entries(measures).map(([name, measure]) => [name, measure.of(answered)]))
}
