import type {
  LandscapePlanReport,
  LandscapeProgress,
  LandscapeReport,
  PointRecord,
  ProbeTest,
} from '../index'
import { type FollowedValues, followed } from './followed'
import { library } from './library'
import { JSON_OPTION } from './options'
import { factsText, jsonText, tableText } from './print'
import { bytes } from './progress'
import { short } from './training_view'
import { defineVerb } from './verb'

export default defineVerb<FollowedValues>({
  name: 'landscape',
  summary: 'compress a model in many ways and chart quality against cost',
  arguments: [
    { name: '<config>', description: 'a YAML file; docs/landscape.md lists its keys' },
    { name: '[overrides...]', description: 'key.path=value: set keys of the config, say measure.tokens=64' },
  ],
  options: [
    { flags: '--dry-run', description: 'check every point and print what it will come out as, make none' },
    { flags: '--resume', description: 'keep the points that are measured and as they were, else start' },
    { flags: '--overwrite', description: 'replace the run folder' },
    JSON_OPTION,
  ],
  examples: ['landscape landscape.yaml --dry-run', 'landscape landscape.yaml --resume'],
  async run([config, overrides], values, io) {
    const { landscape } = library()
    let note: string | undefined
    const view = {
      event(record: PointRecord) {
        note = noteOf(record)
      },
      progress: (work: LandscapeProgress) => io.progress.update({ ...work, note }),
      warning: io.say,
    }
    const report = await followed(view, { overrides, values, io }, (options) => landscape(config, options))
    io.write(io.json ? jsonText(report) : reportText(report))
    return 'failed' in report && report.failed.length > 0 ? 1 : 0
  },
})

/** `magnitude-0.5: perplexity 12.4`; of an encoder, which writes nothing, `loss 2.05`. */
function noteOf(record: PointRecord): string {
  if ('error' in record) return `${record.point}: failed`
  const { loss, perplexity, speed } = record
  const [what, value] = speed.decode_seconds ? ['perplexity', perplexity] : ['loss', loss]
  return `${record.point}: ${what} ${value?.toPrecision(4) ?? '-'}`
}

function reportText(report: LandscapeReport | LandscapePlanReport): string {
  if ('dry_run' in report) return tableText(report.points.map(foretold))
  const { kind, points, failed, measure, ...facts } = report
  const notMade = failed.map(({ point, error }) => `${point} failed: ${error.code}: ${error.message}\n`)
  return `${tableText(points.map((point) => row(point, kind)))}\n${notMade.join('')}${factsText(facts)}`
}

function foretold(line: LandscapePlanReport['points'][number]): Record<string, unknown> {
  return { point: line.point, ...sizes(line), '': line.unknown ?? '' }
}

function row(
  point: LandscapeReport['points'][number],
  kind: LandscapeReport['kind'],
): Record<string, unknown> {
  const { loss, perplexity, speed, probes } = point
  return {
    ...{ point: point.point, ...(kind === 'decoder' ? { perplexity } : { loss }) },
    ...Object.fromEntries((probes ?? []).map(({ name, test }) => [name, accuracyText(test)])),
    ...sizes(point),
    prefill_seconds: speed.prefill_seconds.min,
    ...(kind === 'decoder' && { decode_seconds: speed.decode_seconds?.min }),
    ...(kind === 'speech' && { rtf: speed.real_time_factor?.min }),
    time: speed.request_relative,
  }
}

/** What is right, or of a sequence the edits: `86.2 %`, `12.4 % wrong`. */
function accuracyText({ accuracy, frame_accuracy, error_rate }: ProbeTest): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`
  return error_rate === undefined ? percent(accuracy ?? frame_accuracy!) : `${percent(error_rate)} wrong`
}

function sizes({ parameters, bytes: size, macs }: LandscapePlanReport['points'][number]) {
  return {
    parameters: parameters?.total,
    nonzero: parameters?.nonzero,
    bytes: size === undefined ? undefined : bytes(size),
    macs: macs && short(macs.core),
    effective: macs?.effective && short(macs.effective.core),
  }
}
