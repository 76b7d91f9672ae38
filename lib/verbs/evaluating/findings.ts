/** What is found out about answers before they are measured: only what a measure of the task needs. */
import type { EvaluateConfig } from '../../config/evaluate'
import { TongueforgeError } from '../../errors'
import type { Conversation, Findings } from '../../tasks/generation'
import type { GenerationTask } from '../../tasks/task'
import type { Turn } from './answer'
import { findLanguages } from './find_languages'
import type { MeasureOptions } from './measure'

/** A document whose answers are there. */
export interface Unmeasured {
  conversation: Conversation
  turns: readonly Turn[]
}

export interface FindContext extends MeasureOptions {
  task: GenerationTask
  config: EvaluateConfig
}

/** Of each document, in their order. */
export type Finder = (documents: readonly Unmeasured[], context: FindContext) => Promise<Findings[]>

/** By what a measure needs. A new one is a row. */
const FINDERS: Readonly<Record<string, Finder>> = { language: findLanguages }

/** Throws what the finders throw. */
export async function found(documents: readonly Unmeasured[], context: FindContext): Promise<Findings[]> {
  let all: Findings[] = documents.map(() => ({}))
  for (const need of needsOf(context.task)) {
    const more = await finderOf(need)(documents, context)
    all = all.map((findings, i) => ({ ...findings, ...more[i] }))
  }
  return all
}

export const needsOf = ({ measures }: GenerationTask): string[] => [
  ...new Set(Object.values(measures).flatMap(({ needs = [] }) => needs)),
]

function finderOf(need: string): Finder {
  const finder = FINDERS[need]
  if (finder !== undefined) return finder
  throw new TongueforgeError('ERR_INTERNAL', `Expected something that finds ${need}, found nothing`)
}
