/** Rows of the report from judgments: each figure of each model, and what differs from the first one. */
import { byQuestion } from '../../tasks/judging/scores'
import { type Difference, meanDifference } from '../evaluating/compare'
import type { EvaluationRow } from '../evaluating/report'
import type { JudgedAnswers } from './judge'

/** Metric by metric, models side by side. `first`: the model that the others are compared with. */
export function judgedRows(
  task: { name: string; version: string },
  judged: readonly JudgedAnswers[],
  first: string,
): EvaluationRow[] {
  const of = judged.filter((one) => one.task === task.name)
  const reference = of.find(({ model }) => model === first)
  const metrics = Object.keys(of[0]?.figures ?? {})
  return metrics.flatMap((metric, i) =>
    of.map((one): EvaluationRow => {
      const difference = i === 0 && reference !== one ? differenceOf(one, reference) : undefined
      return {
        ...{ task: task.name, version: task.version, metric, model: one.model, ...one.figures[metric]! },
        ...{ num_fewshot: 0, documents: new Set(one.judgments.map((judgment) => judgment.question_id)).size },
        judge: one.judge,
        ...(difference && { difference }),
      }
    }),
  )
}

/** Question by question, over those that are judged of both. */
function differenceOf(one: JudgedAnswers, other: JudgedAnswers | undefined): Difference | undefined {
  if (other === undefined) return undefined
  const [mine, theirs] = [byQuestion(one.judgments), byQuestion(other.judgments)]
  const differences = [...mine].flatMap(([id, value]) => {
    const found = theirs.get(id)
    return found === undefined ? [] : [value - found]
  })
  return differences.length === 0 ? undefined : meanDifference(differences)
}
