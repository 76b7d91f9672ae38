/** The tables of the page: every point with what was found of it, and those that failed. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import { type Column, table } from '../../report/page'
import { inUnits, milliseconds, three } from './number_text'
import { rateText } from './points'
import { probeQuality, qualityOf } from './qualities'
import type { FailedPoint, LandscapePoint } from './record'
import { frontsWith, type LandscapeReport } from './report'

export const pointName = ({ technique, rate }: Pick<LandscapePoint, 'technique' | 'rate'>): string =>
  rate === null ? technique : `${technique} ${rateText(rate)}`

/** HTML. */
export const tableOfPoints = (report: LandscapeReport): string => table(columnsOf(report), rows(report))

export const tableOfFailed = (failed: readonly FailedPoint[]): string => table(FAILED_COLUMNS, failed)

interface Row {
  point: string
  quality: number | null
  nonzero: number
  total: number
  bytes: number
  core: number
  superb: number
  effective: number | null
  prefill: number
  decode: number | null
  rtf: number | null
  time: number
  fronts: string
  loads_in: string
  /** Errors of probes, by name. */
  [probe: `probe ${string}`]: number | null
}

const probesOf = ({ probe_fronts = {} }: LandscapeReport) => Object.keys(probe_fronts)

function rows(report: LandscapeReport): Row[] {
  const quality = qualityOf(report.kind)
  return report.points.map((point) => ({
    point: pointName(point),
    quality: quality.of(point),
    ...point.parameters,
    bytes: point.bytes,
    core: point.macs.core,
    superb: point.macs.superb,
    effective: point.macs.effective?.core ?? null,
    prefill: point.speed.prefill_seconds.min,
    decode: point.speed.decode_seconds?.min ?? null,
    rtf: point.speed.real_time_factor?.min ?? null,
    time: point.speed.request_relative,
    fronts: frontsWith(report.fronts, point.point).join(', '),
    loads_in: point.loads_in,
    ...Object.fromEntries(
      probesOf(report).map((name) => [`probe ${name}` as const, probeQuality(name).of(point)]),
    ),
  }))
}

const plain = (value: string) => value
const orDash = (value: number | null) => (value === null ? '-' : three(value))

function columnsOf(report: LandscapeReport): Column<Row>[] {
  const { kind } = report
  const prompt = kind === 'speech' ? 'a pass, ms' : 'prompt, ms'
  const more: Partial<Record<ModelSpec['kind'], Column<Row>>> = {
    decoder: { key: 'decode', title: 'a token more, ms', format: milliseconds },
    speech: { key: 'rtf', title: 'real-time factor', format: orDash },
  }
  return [
    { key: 'point', title: 'model', format: plain },
    { key: 'quality', title: qualityOf(kind).title, format: orDash },
    ...probesOf(report).map(
      (name): Column<Row> => ({
        key: `probe ${name}`,
        title: probeQuality(name).title,
        format: (value: number | null) => (value === null ? '-' : `${(100 * value).toFixed(1)} %`),
      }),
    ),
    { key: 'nonzero', title: 'parameters not zero', format: inUnits },
    { key: 'total', title: 'parameters', format: inUnits },
    { key: 'bytes', title: 'bytes', format: inUnits },
    { key: 'core', title: 'MACs, core', format: inUnits },
    { key: 'superb', title: 'MACs, SUPERB', format: inUnits },
    { key: 'effective', title: 'MACs effective', format: inUnits },
    { key: 'prefill', title: prompt, format: milliseconds },
    ...[more[kind] ?? []].flat(),
    { key: 'time', title: 'time, original = 1', format: three },
    { key: 'fronts', title: 'on the front of', format: plain },
    { key: 'loads_in', title: 'loads in', format: plain },
  ]
}

const FAILED_COLUMNS: readonly Column<FailedPoint>[] = [
  { key: 'point', title: 'point', format: plain },
  {
    key: 'error',
    title: 'why',
    format: ({ code, message }: FailedPoint['error']) => `${code}: ${message}`,
    prose: true,
  },
]
