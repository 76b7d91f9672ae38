// What an experiment prints: all figures as JSON on stdout, and the table of bench/papers/README.md on stderr.
import { machine } from '../statistics.mjs'

export const COLUMNS = [
  'lid_a',
  'lid_b',
  'stop_a',
  'stop_b',
  'ref_a',
  'ref_b',
  'ref_own_b',
  'ok_a',
  'ok_b',
  'rep_a',
  'rep_b',
  'ppl_a',
  'ppl_b',
  'ppl_turn_b',
]

const isShare = (column) => /^((chat|cp|ins)_)?(lid|mixed|stop|ref|ok|any|rep)_/.test(column)

/** `{mean, min, max}` of the values. */
export function spread(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return { mean, min: Math.min(...values), max: Math.max(...values) }
}

/** `97 [91,100]` for shares, in percent; `3.1 [2.9,3.4]` for others; the mean alone where all values look the same. */
export function cell(values, share) {
  if (values.includes(undefined)) return '-'
  const show = (value) => (share ? Math.round(100 * value).toString() : value.toFixed(1))
  const { mean, min, max } = spread(values)
  return show(min) === show(max) ? show(mean) : `${show(mean)} [${show(min)},${show(max)}]`
}

/** A Markdown table of `{arm: rows}`, a row a seed. */
export function table(arms, columns = COLUMNS) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  const of = (rows, column) =>
    cell(
      rows.map((row) => row[column]),
      isShare(column),
    )
  return [
    line(['', ...columns]),
    `|${'---|'.repeat(columns.length + 1)}`,
    ...Object.entries(arms).map(([arm, rows]) => line([arm, ...columns.map((column) => of(rows, column))])),
  ].join('\n')
}

/** Runs `experiment(seed)`, which answers `{arm: row}`, for each seed; prints and returns what came out. */
export async function report(name, seeds, experiment, columns) {
  const started = process.cpuUsage()
  const arms = {}
  for (const seed of seeds) {
    for (const [arm, row] of Object.entries(await experiment(seed))) {
      arms[arm] ??= []
      arms[arm].push({ seed, ...row })
    }
  }
  const { user, system } = process.cpuUsage(started)
  console.error(table(arms, columns))
  console.log(
    JSON.stringify({ experiment: name, seeds, arms, cpu_seconds: (user + system) / 1e6, ...machine() }),
  )
}
