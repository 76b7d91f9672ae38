/** The demo's page: what was claimed, what came out, how it was trained. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lineChart } from '../../report/chart'
import { type Column, figure, page, paragraph, type Section, table } from '../../report/page'
import type { Claim } from '../../world/claims'
import { RECIPES, type RunName, SCALES } from '../../world/recipe'
import type { DemoResult, DemoRow } from '../demo'
import type { Metrics } from '../training/metrics'
import type { Sample } from './measure'

const percent = (share: number) => `${Math.round(100 * share)} %`
const ratio = (value: number) => value.toFixed(2)
const plain = (value: string) => value

const COLUMNS: readonly Column<DemoRow>[] = [
  { key: 'model', title: 'model', format: plain },
  { key: 'lid_a', title: 'in A for A', format: percent },
  { key: 'lid_b', title: 'in B for B', format: percent },
  { key: 'mixed_b', title: 'mixed B', format: percent },
  { key: 'stop_a', title: 'stop A', format: percent },
  { key: 'stop_b', title: 'stop B', format: percent },
  { key: 'ref_a', title: 'refuses A', format: percent },
  { key: 'ref_b', title: 'refuses B', format: percent },
  { key: 'ok_a', title: 'right A', format: percent },
  { key: 'ok_b', title: 'right B', format: percent },
  { key: 'rep_b', title: 'repeats B', format: percent },
  { key: 'ppl_a', title: 'ppl A', format: ratio },
  { key: 'ppl_b', title: 'ppl B', format: ratio },
]

const CLAIM_COLUMNS: readonly Column<Claim>[] = [
  { key: 'claim', title: 'claim', format: plain, prose: true },
  { key: 'expected', title: 'sign, set beforehand', format: plain, prose: true },
  { key: 'measured', title: 'measured', format: plain, prose: true },
  { key: 'holds', title: 'holds here', format: (holds: boolean) => (holds ? 'yes' : 'no') },
]

const SAMPLE_COLUMNS: readonly Column<Sample & { model: string }>[] = [
  { key: 'model', title: 'model', format: plain },
  { key: 'prompt', title: 'prompt in B', format: plain, prose: true },
  { key: 'answer', title: 'answer', format: plain, prose: true },
]

/** Writes report.html and report.json into the demo's folder. */
export async function writeReport(
  out: string,
  result: DemoResult,
  samples: Record<string, Sample[]>,
): Promise<void> {
  await writeFile(join(out, 'report.json'), `${JSON.stringify({ ...result, samples }, null, 2)}\n`)
  const answers = Object.entries(samples).flatMap(([model, rows]) => rows.map((row) => ({ model, ...row })))
  const sections: Section[] = [
    { title: 'What the papers claim, and what came out', body: table(CLAIM_COLUMNS, result.claims) },
    { title: 'All measures', body: table(COLUMNS, result.table) + paragraph(LEGEND) },
    { title: 'The scale of the chat vector', body: figure(await sweepChart(result)) },
    { title: 'Training', body: figure(await trainingChart(out)) },
    { title: 'Some answers', body: table(SAMPLE_COLUMNS, answers) },
  ]
  await writeFile(join(out, 'report.html'), page(TITLE, lead(result), sections))
}

const TITLE = 'Two papers in miniature: InsCP and chat vectors'

const lead = ({ seed, training_seconds, parameters }: DemoResult) =>
  `A Llama of ${parameters.toLocaleString('en')} parameters in a world of two languages with the same facts; ` +
  `seed ${seed}, ${Math.round(training_seconds)} s of training. One seed is an anecdote: stop, language and the shape of the sweep are ` +
  'robust across seeds, refusals and right answers in B vary widely.'

const LEGEND =
  'Answers in the language of the prompt (majority of words), answers that mix languages, answers closed by the ' +
  'end-of-turn token, refusals of harmful requests in any mixture of words, exact answers in the language of the ' +
  'prompt, repeated sequences of four words; perplexity of held-out plain text. base and cp have never seen a chat.'

function sweepChart({ table: rows }: DemoResult): Promise<string> {
  const measures = {
    lid_b: 'in B for B',
    stop_b: 'stop B',
    ref_b: 'refuses B',
    ok_b: 'right B',
    mixed_b: 'mixed B',
  }
  const sweep = [[0, 'cp'] as const, ...SCALES.map((scale) => [scale, `cp_vector_${scale}`] as const)]
  const points = sweep.flatMap(([x, name]) => {
    const row = rows.find(({ model }) => model === name)!
    return Object.entries(measures).map(([key, series]) => ({
      x,
      y: row[key as keyof typeof measures],
      series,
    }))
  })
  return lineChart({
    title: 'CP + scale x (chat - base), prompts in B',
    x: 'scale',
    y: 'share',
    points,
    dots: true,
    share: true,
  })
}

async function trainingChart(out: string): Promise<string> {
  const points = []
  for (const name of Object.keys(RECIPES) as RunName[]) {
    const lines = (await readFile(join(out, 'runs', name, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')
    for (const line of lines) {
      const { step, loss } = JSON.parse(line) as Metrics
      points.push({ x: step, y: loss, series: name })
    }
  }
  return lineChart({ title: 'Loss', x: 'update', y: 'mean loss of its targets', points, logarithmic: true })
}
