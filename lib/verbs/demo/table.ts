/** The demo's table: what the adaptation has measured of each model, by the names that the claims go by. */
import type { ClaimMeasures, ClaimRow } from '../../world/claims'
import { LANGUAGES } from '../../world/words'
import { START } from '../adapting/plan'
import type { EvaluationRow } from '../evaluating/report'

export interface DemoRow extends ClaimRow {
  model: string
}

/** By measure: the metric, and tasks that have it in each language; over several, each document counts once. */
const MEASURES: Readonly<Record<keyof ClaimMeasures, { metric: string; tasks: readonly string[] }>> = {
  lid: { metric: 'language_alignment', tasks: ['answers', 'harm'] },
  stop: { metric: 'stop_rate', tasks: ['answers', 'harm'] },
  ref: { metric: 'refusal_rate', tasks: ['harm'] },
  ok: { metric: 'exact_match', tasks: ['answers'] },
  rep: { metric: 'repeated_4grams', tasks: ['answers'] },
  ppl: { metric: 'word_perplexity', tasks: ['texts'] },
}

/** A row a model, in their order; the start is called `chat`. */
export function tableOf(results: readonly EvaluationRow[]): DemoRow[] {
  const models = [...new Set(results.map(({ model }) => model))]
  return models.map((model) => {
    const own = results.filter((row) => row.model === model)
    return { model: model === START ? 'chat' : model, ...rowOf(own) }
  })
}

function rowOf(results: readonly EvaluationRow[]): ClaimRow {
  const cells = Object.entries(MEASURES).flatMap(([name, { metric, tasks }]) =>
    LANGUAGES.map((language) => {
      const wanted = tasks.map((task) => `${task}_${language}`)
      const rows = results.filter((row) => row.metric === metric && wanted.includes(row.task))
      return [`${name}_${language}`, meanOf(rows)] as const
    }),
  )
  return Object.fromEntries(cells) as ClaimRow
}

function meanOf(rows: readonly EvaluationRow[]): number {
  const documents = rows.reduce((sum, row) => sum + row.documents, 0)
  return rows.reduce((sum, row) => sum + row.documents * row.value!, 0) / documents
}
