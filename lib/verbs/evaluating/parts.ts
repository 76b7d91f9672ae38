/** What the answers of a task look like from nearer: its measures by part, and the languages that answers were in. */
import type { FoundLanguage } from '../../text/language/matching'
import type { OpenGenerationTask } from './open_task'
import { type MetricValue, metricsOf } from './record'
import type { GenerationSample } from './written'

/** Documents that belong together: of one domain, group or language. */
export interface PartRecord {
  part: string
  documents: number
  metrics: Record<string, MetricValue>
}

/** Answers where one language was expected: how many were in which. */
export interface LanguageTally {
  expected: string
  answers: number
  /** By language, the most frequent first; `und` where it could not be told. */
  found: Record<string, number>
}

/** In the order in which they come first; none where the task has no parts. */
export function partsOf(opened: OpenGenerationTask, samples: readonly GenerationSample[]): PartRecord[] {
  const { partOf } = opened.task
  if (partOf === undefined) return []
  const all = grouped(samples, ({ doc }) => partOf(doc))
  return [...all].map(([part, some]) => ({
    ...{ part, documents: some.length, metrics: metricsOf(opened, some) },
  }))
}

/** None where nobody looked at languages. */
export function languageTallies(samples: readonly GenerationSample[]): LanguageTally[] {
  const told = samples.filter(({ found }) => found.languages && found.expected !== undefined)
  return [...grouped(told, ({ found }) => found.expected!)].map(([expected, some]) => {
    const languages = some.flatMap(({ found }) => found.languages as readonly FoundLanguage[])
    const counts = [...grouped(languages, ({ language }) => language)].map(
      ([language, those]) => [language, those.length] as const,
    )
    const sorted = counts.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    return { expected, answers: languages.length, found: Object.fromEntries(sorted) }
  })
}

function grouped<Item>(items: readonly Item[], nameOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const name = nameOf(item)
    const group = groups.get(name)
    if (group) group.push(item)
    else groups.set(name, [item])
  }
  return groups
}
