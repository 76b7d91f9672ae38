/** Probes on the frozen layers of an encoder of speech: what they find, and in which layers. */
import { z } from 'zod'
import type { Block } from '../../../report/blocks'
import { lineChart } from '../../../report/chart'
import { three } from '../../landscaping/number_text'
import { checked } from '../folder'
import { defineKind } from '../kind'
import { count, durationText, figureOf, modelName, percent } from '../words'

const number = z.number().optional()
const probeSchema = z.looseObject({
  ...{ name: z.string(), kind: z.string(), classes: z.number() },
  train: z.looseObject({ n: z.number(), loss: z.number().nullable() }),
  test: z.looseObject({
    ...{ n: z.number(), nll: z.number().nullable() },
    ...{ accuracy: number, frame_accuracy: number, error_rate: number, chance: number },
  }),
  layer_weights: z.array(z.number()),
})
const reportSchema = z.looseObject({
  ...{ model: z.string(), utterances: z.number(), seconds: z.number() },
  probes: z.array(probeSchema),
})

type Probe = z.output<typeof probeSchema>

export default defineKind<z.output<typeof reportSchema> | undefined>({
  title: 'Probes of speech',
  looksFor: 'of probe: resolved.yaml with `verb: probe`',
  recognises: ({ verb }) => verb === 'probe',
  read: async (folder) => folder.report && checked(reportSchema, folder.report, folder, 'report.json'),
  summary(report, { config }) {
    const model = modelName(config?.model)
    if (report === undefined)
      return { sentence: `Probes of ${model}.`, figures: [], unfinished: 'no report yet' }
    const { probes, utterances, seconds } = report
    return {
      sentence: `${count(probes.length, 'probe')} on the frozen layers of ${model}: ${count(utterances, 'utterance')}, ${durationText(seconds)}.`,
      figures: probes.slice(0, 4).flatMap((probe) => {
        const { what, value, chance } = headline(probe)
        return figureOf(
          `${probe.name}, ${what}`,
          value,
          percent,
          chance === undefined ? undefined : `chance ${percent(chance)}`,
        )
      }),
    }
  },
  async details(report, _, files) {
    if (report === undefined) return []
    return [tableOfProbes(report.probes, files), ...(await weightsChart(report.probes, files))]
  },
})

function headline({ test }: Probe): { what: string; value: number | undefined; chance: number | undefined } {
  const { accuracy, frame_accuracy, error_rate, chance } = test
  if (accuracy !== undefined) return { what: 'accuracy', value: accuracy, chance }
  if (frame_accuracy !== undefined) return { what: 'accuracy of places', value: frame_accuracy, chance }
  return { what: 'error rate', value: error_rate, chance: undefined }
}

function tableOfProbes(probes: readonly Probe[], files: string): Block {
  const rows = probes.map(({ name, kind, classes, train, test }) => ({
    ...{ probe: name, kind, classes, accuracy: test.accuracy ?? test.frame_accuracy ?? null },
    ...{ error_rate: test.error_rate ?? null, chance: test.chance ?? null, nll: test.nll, loss: train.loss },
    ...{ learnt_from: train.n, tested_on: test.n },
  }))
  const columns = [
    { key: 'probe', title: 'probe' },
    { key: 'kind', title: 'a label' },
    { key: 'classes', title: 'classes' },
    { key: 'accuracy', title: 'accuracy', format: percent },
    { key: 'error_rate', title: 'error rate', format: percent },
    { key: 'chance', title: 'chance', format: percent },
    { key: 'nll', title: 'nats', format: three },
    { key: 'loss', title: 'training loss', format: three },
    { key: 'learnt_from', title: 'learnt from' },
    { key: 'tested_on', title: 'tested on' },
  ]
  const shown = columns.filter(({ key }) => rows.some((row) => row[key as keyof typeof row] !== null))
  return {
    kind: 'table',
    file: `${files}-probes`,
    caption: 'Probes, on utterances that they have not seen',
    columns: shown,
    rows,
  }
}

/** Of probes that weigh several layers. */
async function weightsChart(probes: readonly Probe[], files: string): Promise<Block[]> {
  const points = probes
    .filter(({ layer_weights }) => layer_weights.length > 1)
    .flatMap(({ name, layer_weights }) => layer_weights.map((y, x) => ({ x, y, series: name })))
  if (points.length === 0) return []
  const caption = 'What each layer weighs in a probe'
  const svg = await lineChart({
    title: caption,
    x: 'layer',
    y: 'weight',
    points,
    dots: true,
    share: true,
    themed: true,
  })
  return [{ kind: 'chart', file: `${files}-layers`, caption, svg }]
}
