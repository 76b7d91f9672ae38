/** What is found out about answers before they are measured: only what a measure of the task needs. */
import type { InputRecord } from '../../checkpoint/provenance'
import type { EvaluateConfig } from '../../config/evaluate'
import { TongueforgeError } from '../../errors'
import type { Conversation, Findings } from '../../tasks/generation'
import type { GenerationTask } from '../../tasks/task'
import type { Turn } from './answer'
import { LANGUAGE_FINDER } from './find_languages'
import { scoreFinder } from './find_scores'

/** A document whose answers are there. */
export interface Unmeasured {
  conversation: Conversation
  turns: readonly Turn[]
}

export interface FindContext {
  task: GenerationTask
  config: EvaluateConfig
  signal?: AbortSignal | undefined
  /** `what`: what is looked for. */
  onProgress?: ((what: string, progress: { done: number; total: number }) => void) | undefined
  onWarning?: ((message: string) => void) | undefined
}

/** What decides what is found, and the files behind that. */
export interface FinderIdentity {
  identity: object
  inputs: InputRecord[]
}

export interface Finder {
  /** What can be said before a model is loaded; `file`: the config's. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_DATA. */
  check?(context: FindContext, file: string): Promise<void>
  identity(context: FindContext): Promise<FinderIdentity>
  /** Of each document, in their order. */
  find(documents: readonly Unmeasured[], context: FindContext): Promise<Findings[]>
}

/** By what a measure needs. A new one is a row. */
const FINDERS: Readonly<Record<string, Finder>> = {
  language: LANGUAGE_FINDER,
  toxicity: scoreFinder('toxicity'),
  sentiment: scoreFinder('sentiment'),
}

/** Throws what the finders throw. */
export async function found(documents: readonly Unmeasured[], context: FindContext): Promise<Findings[]> {
  let all: Findings[] = documents.map(() => ({}))
  for (const finder of findersOf(context.task)) {
    const more = await finder.find(documents, context)
    all = all.map((findings, i) => merged(findings, more[i]!))
  }
  return all
}

const merged = (findings: Findings, more: Findings): Findings => ({
  ...{ ...findings, ...more },
  ...(findings.scores && more.scores && { scores: { ...findings.scores, ...more.scores } }),
})

/** The finders that the measures of a task need. */
export function findersOf({ measures }: GenerationTask): Finder[] {
  const needs = new Set(Object.values(measures).flatMap(({ needs = [] }) => needs))
  return [...needs].map((need) => {
    const finder = FINDERS[need]
    if (finder !== undefined) return finder
    throw new TongueforgeError('ERR_INTERNAL', `Expected something that finds ${need}, found nothing`)
  })
}
