/** Which tasks papers put into which table, by which of their metrics, and how a number is written there. */
import { GROUPS } from '../../tasks/registry'
import { three } from '../landscaping/number_text'

export interface Measured {
  task: string
  metric: string
  model: string
  value: number | null
}

export interface PaperTable {
  name: string
  caption: string
  /** Names of tasks that come along. */
  tasks?: RegExp
  /** Of tasks of any name: what they measure tells their kind, not what a user calls them. */
  metrics?: RegExp
}

/** The tables of the InsCP paper; the last takes what no other does. */
export const PAPER_TABLES: readonly PaperTable[] = [
  {
    ...{ name: 'language', caption: 'Language alignment' },
    metrics: /^language_/,
  },
  {
    ...{ name: 'reliability', caption: 'Reliability' },
    tasks: /^(truthfulqa|toxigen|real_toxicity_prompts|bold)/,
    metrics: /^(toxicity|toxic_rate|sentiment|refusal_rate)$/,
  },
  {
    ...{ name: 'knowledge', caption: 'Knowledge' },
    tasks: /^(arc|hellaswag|mmlu|ceval|tmmlu|ttqa|winogrande|xcopa|copa)/,
  },
  {
    ...{ name: 'instructions', caption: 'Following instructions' },
    tasks: /^(mt_bench|vicuna)/,
    metrics: /^score/,
  },
  { ...{ name: 'texts', caption: 'Texts' }, metrics: /perplexity|bits_per/ },
  { ...{ name: 'others', caption: 'Other tasks' }, tasks: /^/ },
]

/** Lower is better of the first, higher of shares and scores; of lengths and refusals it depends on what was asked. */
export function best(metric: string): 'least' | 'most' | undefined {
  if (/^length_|^refusal_rate$/.test(metric)) return undefined
  return /perplexity|bits|nll|loss|toxic|repe|undetermined/.test(metric) ? 'least' : 'most'
}

/** Of a hundred; scores of judges and classifiers, lengths and numbers are what they are. */
export const isShare = (metric: string): boolean =>
  !/perplexity|bits|nll|loss|^(toxicity|sentiment)$|^(score|length|unrated)/.test(metric)

/** What the papers quote, where a task has several. */
const PREFERRED: readonly [task: RegExp, metric: string][] = [
  [/^(arc|hellaswag)/, 'acc_norm'],
  [/^wikitext/, 'word_perplexity'],
  [/^(mt_bench|vicuna)/, 'score'],
]

/** A metric by task, where a run has a word on which one counts. */
export type ToldMetrics = Readonly<Record<string, string>>

/** One row a task and model: the metric that is told, that of papers, or its first. The parts of a group that is there are left out. */
export function primaryRows<Row extends Measured & { group?: boolean | undefined }>(
  rows: readonly Row[],
  told: ToldMetrics = {},
): Row[] {
  const groups = new Set(rows.flatMap(({ task, group }) => (group ? [task] : [])))
  // Whatever a user calls a task of their own, mmlu_de say: it is no part of a group.
  const parts = new Set(GROUPS.flatMap(({ name, tasks }) => (groups.has(name) ? tasks : [])))
  const isPart = (row: Row) => !row.group && parts.has(row.task)
  const metrics = new Map<string, string>()
  for (const { task, metric } of rows) {
    const wanted = told[task] ?? PREFERRED.find(([of]) => of.test(task))?.[1]
    if (!metrics.has(task) || metric === wanted) metrics.set(task, metric)
  }
  return rows.filter((row) => row.metric === metrics.get(row.task) && !isPart(row))
}

/** Shares as papers write them: of a hundred; scores with two digits. */
export function valueText({ metric, value }: Pick<Measured, 'metric' | 'value'>): string {
  if (value === null || !Number.isFinite(value)) return '–'
  if (metric.startsWith('score')) return value.toFixed(2)
  return isShare(metric) && value >= 0 && value <= 1 ? (100 * value).toFixed(1) : three(value)
}
