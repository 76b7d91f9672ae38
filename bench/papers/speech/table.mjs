// The lines of run.mjs and times.mjs, of one seed or more, as the table of README.md:
//   node bench/papers/speech/table.mjs LINES...
import { readFileSync } from 'node:fs'
import { spread } from '../results.mjs'

/** Figures of a point by column: what they are, and their decimals. */
const COLUMNS = {
  held_out: [(point) => point.held_out, 3],
  'k nonzero': [(point) => point.parameters.nonzero / 1000, 0],
  'M MACs': [(point) => point.macs.core / 1e6, 1],
  'RTF x 1e-3': [(point) => 1000 * (timed(point)?.timed ?? point.rtf), 2],
  relative: [(point) => timed(point)?.relative ?? point.rtf_relative, 2],
}

const lines = process.argv.slice(2).flatMap((file) => readFileSync(file, 'utf8').trim().split('\n'))
const all = lines.map((line) => JSON.parse(line))
const found = all.filter(({ parameters }) => parameters?.nonzero)
const times = new Map(all.filter((line) => line.timed).map((line) => [keyOf(line), line]))
// Of a point that was measured again the last line counts.
const points = [...new Map(found.map((line) => [keyOf(line), line])).values()]
const probes = [...new Set(points.flatMap((point) => Object.keys(point.probes ?? {})))]
const columns = { ...COLUMNS }
for (const name of probes) columns[name] = [(point) => point.probes?.[name], 1]

const row = (cells) => `| ${cells.join(' | ')} |`
console.log(row(['point', ...Object.keys(columns)]))
console.log(row(Array(Object.keys(columns).length + 1).fill('---')))
for (const name of new Set(points.map(({ point }) => point))) {
  const seeds = points.filter(({ point }) => point === name)
  console.log(row([name, ...Object.values(columns).map(([of, decimals]) => cell(seeds.map(of), decimals))]))
}

function keyOf({ seed, point }) {
  return `${seed} ${point}`
}

/** Where all models were timed in turns. */
function timed(point) {
  return times.get(keyOf(point))
}

/** The mean, and what it lies between where seeds differ. */
function cell(values, decimals) {
  if (values.some((value) => value === undefined || value === null)) return '-'
  const { mean, min, max } = spread(values)
  const [middle, least, most] = [mean, min, max].map((value) => value.toFixed(decimals))
  return least === most ? middle : `${middle} [${least},${most}]`
}
