/** An adaptation: arms side by side as papers lay their tables out, which won and why, then what its stages tell. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Block, ChartBlock, TableColumn, TableRow } from '../../../report/blocks'
import type { KeyFigure } from '../../../report/document'
import { answerTalks, languageTables, partTables } from '../answers'
import { checked, type Folder, linesOf, openFolder } from '../folder'
import { defineKind, type Kind } from '../kind'
import { primaryRows, valueText } from '../paper_tables'
import { count, durationText, fixed, languageName, modelName } from '../words'
import compress from './compress'
import evaluate, {
  differences,
  type Evaluation,
  everyNumber,
  paperTables,
  type Row,
  rowSchema,
} from './evaluate'
import sweep from './sweep'
import train, { perplexityChart, type Training } from './train'

const stageSchema = z.looseObject({
  ...{ step: z.number(), stage: z.string(), verb: z.string(), seconds: z.number() },
  figures: z.record(z.string(), z.unknown()),
})
const reportSchema = z.looseObject({
  language: z.string(),
  arms: z.array(
    z.looseObject({ name: z.string(), about: z.string(), result: z.string(), measured: z.boolean() }),
  ),
  stages: z.array(stageSchema),
  measures: z.record(z.string(), z.string()),
  results: z.array(rowSchema),
  pick: z.looseObject({
    ...{ rule: z.string(), reason: z.string(), picked: z.string().nullable(), start: z.number().nullable() },
    candidates: z.array(
      z.looseObject({
        ...{ arm: z.string(), score: z.number().nullable(), failed: z.array(z.string()) },
        measured: z.record(z.string(), z.number().nullable()).default({}),
      }),
    ),
  }),
  seconds: z.number(),
})

type Report = z.output<typeof reportSchema>

/** A stage with a story of its own. */
interface Told {
  name: string
  kind: Kind
  folder: Folder
  run: unknown
}

interface Adaptation {
  chat: string
  language: string
  stages: z.output<typeof stageSchema>[]
  told: Told[]
  report: Report | undefined
}

/** Kinds of stages that are told of. */
const TOLD: Readonly<Record<string, Kind>> = { train, sweep, compress }

export default defineKind<Adaptation>({
  title: 'Adaptation',
  looksFor: 'of adapt: resolved.yaml with `verb: adapt`',
  recognises: ({ verb }) => verb === 'adapt',
  async read(folder) {
    const report = folder.report && checked(reportSchema, folder.report, folder, 'report.json')
    const stages = report?.stages ?? (await linesOf(stageSchema, folder, 'stages.jsonl'))
    const { chat, language } = folder.config!
    const told: Told[] = []
    for (const { stage: name, verb } of stages) {
      const [kind, place] = [TOLD[verb], join(folder.path, 'stages', name)]
      if (kind === undefined || !existsSync(place)) continue
      const opened = await openFolder(place)
      told.push({ name, kind, folder: opened, run: await kind.read(opened) })
    }
    return { chat: modelName(chat), language: String(language), stages, told, report }
  },
  summary({ chat, language, stages, report }) {
    const sentence = `${chat} learns ${languageName(language)}`
    if (report === undefined)
      return { sentence: `${sentence}.`, figures: [], unfinished: `${count(stages.length, 'stage')} done` }
    const { arms, pick } = report
    const tried = `${sentence}: ${count(arms.length, 'arm')} tried.`
    return {
      sentence: pick.picked === null ? `${tried} No arm can win.` : `${tried} ${pick.picked} is picked.`,
      figures: figuresOf(report),
    }
  },
  async details({ stages, told, report }, { path }, files) {
    return [
      ...(report ? await resultBlocks(report, path, files) : []),
      ...(await trainingBlocks(told, files)),
      ...(await stageBlocks(told, files)),
      stagesTable(stages, files),
    ]
  },
})

/** What counts, of the arm that won, beside the start. */
function figuresOf({ results, measures, pick }: Report): KeyFigure[] {
  const rows = primaryRows(results, measures)
  const shown = rows.filter(({ model }) => model === pick.picked)
  const isTold = ({ task }: Row) => task in measures
  const ordered = [...shown.filter(isTold), ...shown.filter((row) => !isTold(row))]
  return ordered.slice(0, 4).map((row) => {
    const before = rows.find(({ task, model }) => task === row.task && model === 'start')
    return {
      ...{ name: `${row.task}, ${row.metric}`, value: row.value ?? Number.NaN, text: valueText(row) },
      ...(before && { note: `from ${valueText(before)}` }),
    }
  })
}

async function resultBlocks(report: Report, path: string, files: string): Promise<Block[]> {
  const { results, measures, pick } = report
  const models = [...new Set(results.map(({ model }) => model))]
  const { tables, talks } = await answerBlocks(models, results, path, files)
  return [
    ...paperTables(models, results, files, measures),
    armsTable(report, files),
    { kind: 'prose', text: `The rule: ${pick.rule}. What came of it: ${pick.reason}.` },
    ...tables,
    ...(await differences(results, files)),
    ...talks.slice(0, 1),
    ...(talks.length > 1
      ? [{ kind: 'folded', title: 'Answers of the other tasks', blocks: talks.slice(1) } as const]
      : []),
    everyNumber(models, results, files),
  ]
}

/** Arms beside what the rule looks at. */
function armsTable({ arms, pick }: Report, files: string): Block {
  const looked = [...new Set(pick.candidates.flatMap(({ measured }) => Object.keys(measured)))]
  const rows = arms.map(({ name, about, measured }): TableRow => {
    const found = pick.candidates.find(({ arm }) => arm === name)
    const remark = name === pick.picked ? 'picked' : (found?.failed.join('; ') ?? '')
    const cells = looked.map((measure, i) => [`measure_${i}`, found?.measured[measure] ?? null])
    const score = found?.score ?? null
    return {
      ...{ arm: name, about, ...Object.fromEntries(cells), score },
      remark: measured ? remark : 'left for later',
    }
  })
  const measures = looked.map((measure, i): TableColumn => {
    const [task, metric = ''] = measure.split('/')
    const format = (value: number) => valueText({ metric, value })
    return { key: `measure_${i}`, title: [task, metric].filter(Boolean).join(', '), format }
  })
  return {
    ...{ kind: 'table', file: `${files}-arms`, caption: 'Arms', rows },
    columns: [
      { key: 'arm', title: 'arm' },
      { key: 'about', title: 'what was done', prose: true },
      ...measures,
      { key: 'score', title: 'score', format: fixed, best: 'most' },
      { key: 'remark', title: '', prose: true },
    ],
  }
}

async function trainingBlocks(told: readonly Told[], files: string): Promise<Block[]> {
  const trainings = told.filter(({ kind }) => kind === train)
  if (trainings.length === 0) return []
  const together = (await train.together!(trainings.map(({ name, run }) => ({ name, run })))).map((block) =>
    renamed(block, files),
  )
  const spreads: ChartBlock[] = []
  for (const [i, { run, name }] of trainings.entries()) {
    const chart = await perplexityChart((run as Training).report, `${files}-stage-${i}`)
    if (chart) spreads.push({ ...chart, caption: `${chart.caption}: ${name}` })
  }
  return [...together, ...(spreads.length > 0 ? [{ kind: 'grid', blocks: spreads } as const] : [])]
}

/** Several adaptations may stand on one page: names of files begin with that of the chapter. */
function renamed(block: Block, files: string): Block {
  if (block.kind === 'grid')
    return { ...block, blocks: block.blocks.map((one) => renamed(one, files) as ChartBlock) }
  return 'file' in block ? { ...block, file: `${files}-${block.file}` } : block
}

/** The scales that were tried, what compression has left; of trainings all that is told of one, folded. */
async function stageBlocks(told: readonly Told[], files: string): Promise<Block[]> {
  const blocks: Block[] = []
  for (const [i, { name, kind, folder, run }] of told.entries()) {
    const details = await kind.details(run, folder, `${files}-${i}-${name.replace(/[^a-z0-9]+/gi, '-')}`)
    if (details.length === 0) continue
    const { sentence } = kind.summary(run, folder)
    if (kind === train) blocks.push({ kind: 'folded', title: `Stage ${name}: ${sentence}`, blocks: details })
    else blocks.push({ kind: 'prose', text: `Stage ${name}: ${sentence}` }, ...details)
  }
  return blocks
}

function stagesTable(stages: Adaptation['stages'], files: string): Block {
  const rows = stages.map(({ step, stage, verb, seconds, figures }) => ({
    ...{ step, stage, verb, seconds },
    told: Object.entries(figures)
      .filter(([, value]) => typeof value === 'number' || typeof value === 'string')
      .map(
        ([key, value]) =>
          `${key.replaceAll('_', ' ')} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`,
      )
      .join(', '),
  }))
  return {
    ...{ kind: 'folded', title: 'All stages' },
    blocks: [
      {
        ...{ kind: 'table', file: `${files}-stages`, caption: 'Stages', rows },
        columns: [
          { key: 'step', title: '' },
          { key: 'stage', title: 'stage' },
          { key: 'verb', title: 'verb' },
          { key: 'seconds', title: 'time', format: durationText },
          { key: 'told', title: 'figures', prose: true },
        ],
      },
    ],
  }
}

/** What the evaluations of the models tell beyond numbers: languages of answers, parts of tasks, answers side by side. */
async function answerBlocks(
  models: readonly string[],
  results: readonly Row[],
  path: string,
  files: string,
): Promise<{ tables: Block[]; talks: Block[] }> {
  const folders = new Map<string, Folder>()
  const runs: Evaluation[] = []
  for (const model of models) {
    const folder = await openFolder(join(path, 'stages', `${model}-evaluate`))
    folders.set(model, folder)
    runs.push((await evaluate.read(folder)) as Evaluation)
  }
  const tasks = [...new Set(results.flatMap(({ task, group }) => (group ? [] : [task])))]
  const languages = runs.flatMap((run) => run.languages)
  const parts = runs.flatMap((run) => run.parts)
  return {
    tables: [...languageTables(languages, files), ...partTables(parts, files)],
    talks: await answerTalks((model) => folders.get(model)!, tasks, models, files),
  }
}
