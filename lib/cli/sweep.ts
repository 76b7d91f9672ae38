import { TongueforgeError, toTongueforgeError } from '../errors'
import type { SweepPlanReport, SweepPoint, SweepReport } from '../index'
import { resumeCommand } from './interruption'
import { library } from './library'
import { JSON_OPTION, pick } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values {
  dryRun?: boolean
  resume?: boolean
  overwrite?: boolean
}

export default defineVerb<Values>({
  name: 'sweep',
  summary: 'find the scale of a chat vector: measure many in memory',
  arguments: [
    { name: '<config>', description: 'a YAML file; docs/sweep.md lists its keys' },
    {
      name: '[overrides...]',
      description: 'key.path=value: set keys of the config, say search=golden_section',
    },
  ],
  options: [
    { flags: '--dry-run', description: 'check everything and print the plan, measure nothing' },
    { flags: '--resume', description: 'keep the points that are measured, else start' },
    { flags: '--overwrite', description: 'replace the run folder, and what is at write_best' },
    JSON_OPTION,
  ],
  examples: ['sweep sweep.yaml', "sweep sweep.yaml 'scales=[0, 0.5, 1]' --resume"],
  async run([config, overrides], values, io) {
    const { sweep } = library()
    let note: string | undefined
    let measured = 0
    const run = sweep(config, {
      ...pick(values, ['dryRun', 'resume', 'overwrite']),
      overrides,
      signal: io.signal,
      onWarning: io.say,
      onProgress: (progress) => io.progress.update({ ...progress, note }),
    })
    try {
      for await (const point of run) {
        note = pointText(point)
        measured++
      }
      const report = await run.result
      io.progress.end()
      io.write(io.json ? jsonText(report) : reportText(report))
      return 0
    } catch (error) {
      const kept = measured > 0 || values.resume
      throw io.signal.aborted && kept ? interruption(error, measured) : error
    }
  },
})

/** `all 0.8: chinese 2.31, chat 1.94`. */
function pointText({ scales, values }: SweepPoint): string {
  const list = (numbers: Record<string, number>) =>
    Object.entries(numbers)
      .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
      .join(', ')
  return `${list(scales)}: ${list(values)}`
}

function reportText(report: SweepReport | SweepPlanReport): string {
  if ('dry_run' in report) return factsText(report)
  const { points, pareto, best, ...facts } = report
  const rows = points.map(({ step, scales, values, score, seconds }) => ({
    point: step,
    ...scales,
    ...values,
    score,
    seconds,
    '': [...(step === best.step ? ['best'] : []), ...(pareto.includes(step) ? ['pareto'] : [])].join(', '),
  }))
  return `${tableText(rows)}\n${factsText(facts)}`
}

function interruption(error: unknown, measured: number): TongueforgeError {
  const { code, message } = toTongueforgeError(error)
  const failed = code === 'ERR_INTERRUPTED' ? '' : `: ${message}`
  return new TongueforgeError(
    'ERR_INTERRUPTED',
    `stopped; the points that are measured are kept, ${measured} of this session${failed}`,
    {
      hint: resumeCommand(process.argv.slice(2)),
      details: { resumable: true },
      cause: error,
    },
  )
}
