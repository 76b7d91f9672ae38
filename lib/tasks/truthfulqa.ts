/**
 * TruthfulQA (Lin et al. 2022, arXiv 2109.07958): questions that many people answer wrongly. The six answered questions
 * before each are part of the benchmark and come with the harness' task file.
 */
import { acc, type Metric, shareOfTruth } from './metrics'
import { field, layoutError, textOf, texts } from './records'
import type { ChoiceTask, Doc, FixedTexts, Question } from './task'

const truthfulqa = (
  name: string,
  version: string,
  about: string,
  targets: string,
  metric: Metric,
): ChoiceTask => ({
  kind: 'choices',
  name,
  version,
  about,
  source: {
    folders: ['truthful_qa', 'truthfulqa', 'TruthfulQA'],
    config: 'multiple_choice',
    files: ['mc_task', 'data/mc_task', 'data/v0/mc_task', 'data/v1/mc_task'],
    columns: ['question', 'mc1_targets', 'mc2_targets'],
  },
  split: 'validation',
  shots: { split: 'validation', pick: 'first', none: true },
  texts: { file: 'truthfulqa_mc1.yaml', keys: ['doc_to_text'] },
  question: (doc, fixed) => question(doc, fixed, targets),
  metrics: { acc: metric },
})

// Of the hub { choices: [], labels: [] }; as published { answer: 1 or 0 }.
function question(doc: Doc, { doc_to_text }: FixedTexts, key: string): Question {
  textOf(doc, 'question')
  const targets = field(doc, key, 'object') as Doc
  const answers = Array.isArray(targets.choices)
    ? texts(targets.choices, `${key}.choices`)
    : Object.keys(targets)
  const labels = (Array.isArray(targets.labels) ? targets.labels : Object.values(targets)).map(Number)
  if (labels.length !== answers.length) throw layoutError(`${key}.labels`, 'a label for each choice', labels)
  const right = labels.flatMap((label, i) => (label === 1 ? [i] : []))
  if (right.length === 0) throw layoutError(`${key}.labels`, 'a label 1', labels)
  // By its label: keys of a table that are digits come before all others, wherever they stood.
  const gold = key === 'mc1_targets' ? right[0]! : right
  return { context: doc_to_text!.render(doc), answers, gold }
}

export const TRUTHFULQA = [
  truthfulqa('truthfulqa_mc1', '2.0', 'one answer is true', 'mc1_targets', acc),
  truthfulqa('truthfulqa_mc2', '3.0', 'the probability of true answers', 'mc2_targets', shareOfTruth),
]
