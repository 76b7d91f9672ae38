/** Which arm wins, by the rule of the config: requirements first, then the weighted sum, then the order of the config. */
import type { PickConfig, Requirement, Weighted } from '../../config/adapt/pick'
import { best } from '../reporting/paper_tables'
import { START } from './plan'

/** A number of the table. */
export interface MeasuredValue {
  task: string
  metric: string
  model: string
  value: number | null
}

export interface Candidate {
  arm: string
  /** The weighted sum, the higher the better; null where there is no rule, or a value is no number. */
  score: number | null
  /** What the rule looks at, by `TASK/METRIC` as the config has it; null where it is no number. */
  measured: Record<string, number | null>
  /** Requirements that it fails, in words. */
  failed: string[]
}

export interface Pick {
  /** The rule, in words. */
  rule: string
  candidates: Candidate[]
  /** Null where no arm can win. */
  picked: string | null
  /** Of the start by the same rule. */
  start: number | null
  /** Others with the same score as the one that is picked; the first in the order of the config is. */
  tied: string[]
  /** Why, in a sentence. */
  reason: string
}

/** `TASK/METRIC`; without a metric, the first of the task. */
export function cutMeasure(measure: string): { task: string; metric: string | undefined } {
  const [task, metric] = measure.split('/')
  return { task: task!, metric }
}

/** Of arms in the order of the config, all of them measured. */
export function pickArm(
  arms: readonly string[],
  rows: readonly MeasuredValue[],
  given: PickConfig | undefined,
): Pick {
  const config = given && sided(given, rows)
  const measured = (model: string, measure: string) => {
    const { task, metric } = cutMeasure(measure)
    const found = rows.find(
      (row) => row.model === model && row.task === task && row.metric === (metric ?? row.metric),
    )
    return found?.value ?? Number.NaN
  }
  const scoreOf = (model: string) => {
    if (config === undefined) return null
    const score = config.by.reduce(
      (sum, { measure, weight, better }) =>
        sum + (better === 'less' ? -weight : weight) * measured(model, measure),
      0,
    )
    return Number.isFinite(score) ? score : null
  }
  const ofRule = (model: string) =>
    Object.fromEntries(
      [...(config?.by ?? []), ...(config?.require ?? [])].map(({ measure }) => {
        const value = measured(model, measure)
        return [measure, Number.isNaN(value) ? null : value]
      }),
    )
  const candidates = arms.map((arm): Candidate => {
    const failed = (config?.require ?? []).flatMap(
      (one) => problemOf(one, measured(arm, one.measure), measured(START, one.measure)) ?? [],
    )
    return { arm, score: scoreOf(arm), measured: ofRule(arm), failed }
  })
  const start = scoreOf(START)
  return { rule: ruleOf(config), candidates, start, ...winner(candidates, config, start) }
}

type Sided<One> = Omit<One, 'better'> & { better: 'more' | 'less' }

/** The rule with a side for each measure: as it says, or as its metric has one. */
interface Rule {
  by: Sided<Weighted>[]
  require: Sided<Requirement>[]
}

function sided({ by, require }: PickConfig, rows: readonly MeasuredValue[]): Rule {
  const withSide = <One extends Weighted | Requirement>(one: One): Sided<One> => {
    const { task, metric } = cutMeasure(one.measure)
    const name = metric ?? rows.find((row) => row.task === task)?.metric ?? ''
    return { ...one, better: one.better ?? (best(name) === 'least' ? 'less' : 'more') }
  }
  return { by: [by].flat().map(withSide), require: require.map(withSide) }
}

function winner(
  candidates: readonly Candidate[],
  config: Rule | undefined,
  start: number | null,
): Omit<Pick, 'rule' | 'candidates' | 'start'> {
  const able = candidates.filter(
    ({ failed, score }) => failed.length === 0 && (config === undefined || score !== null),
  )
  if (able.length === 0) {
    const reasons = candidates.map(
      ({ arm, failed }) => `${arm}: ${failed.join('; ') || 'its score is no number'}`,
    )
    return { picked: null, tied: [], reason: `no arm can win: ${reasons.join('. ') || 'none is measured'}` }
  }
  const most = Math.max(...able.map(({ score }) => score ?? 0))
  const [first, ...tied] = able.filter(({ score }) => (score ?? 0) === most)
  const others = candidates.length - able.length
  const reason = [
    able.length === 1 && candidates.length === 1
      ? `${first!.arm} is the only arm`
      : able.length === 1
        ? `${first!.arm} alone meets the requirements`
        : `${first!.arm} has the best score of ${able.length} arms`,
    ...(tied.length > 0
      ? [`as good: ${tied.map(({ arm }) => arm).join(', ')}; the first in the config is taken`]
      : []),
    ...(others > 0 && able.length > 1 ? [`${others} cannot win`] : []),
    ...(start !== null && first!.score !== null && start > first!.score
      ? ['by the score alone the start is better']
      : []),
  ].join('; ')
  return { picked: first!.arm, tied: tied.map(({ arm }) => arm), reason }
}

/** What a value fails, in words; undefined where it does not. What is no number fails. */
function problemOf(given: Sided<Requirement>, value: number, start: number): string | undefined {
  const { measure, at_least, at_most, not_worse_by, better } = given
  const said = `${measure} is ${round(value)}`
  if (Number.isNaN(value)) return `${measure} is no number`
  if (at_least !== undefined && value < at_least) return `${said}, expected at least ${at_least}`
  if (at_most !== undefined && value > at_most) return `${said}, expected at most ${at_most}`
  if (not_worse_by === undefined) return undefined
  const worse = better === 'less' ? value - start : start - value
  if (worse <= not_worse_by) return undefined
  return `${said}, ${round(start)} at the start: expected to be worse by ${not_worse_by} at most`
}

const round = (value: number) => Number(value.toPrecision(4))

function ruleOf(config: Rule | undefined): string {
  if (config === undefined) return 'the only arm'
  const terms = config.by.map(({ measure, weight, better }) => {
    const side = better === 'less' ? 'least' : 'most'
    return `${side} ${measure}${weight === 1 ? '' : ` × ${weight}`}`
  })
  const required = config.require.map(({ measure, at_least, at_most, not_worse_by }) =>
    [
      ...(at_least === undefined ? [] : [`${measure} at least ${at_least}`]),
      ...(at_most === undefined ? [] : [`${measure} at most ${at_most}`]),
      ...(not_worse_by === undefined
        ? []
        : [`${measure} not worse than at the start by more than ${not_worse_by}`]),
    ].join(', '),
  )
  return [terms.join(' + '), ...(required.length > 0 ? [`provided ${required.join('; ')}`] : [])].join(', ')
}
