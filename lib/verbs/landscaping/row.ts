/** What points are timed on and counted for: a prompt of so many tokens, or so many seconds of sound. */
import { type ModelSpec, mostPositions } from '../../checkpoint/model_spec'
import type { LandscapeConfig } from '../../config/landscape'
import { configError } from '../../config/parse'
import { lengthFor, positionsOf } from '../../counting/macs'
import { modelSize } from '../../counting/registry'
import { lengthOf, type MacRow } from '../inspecting/macs'
import { samplingRate } from '../sampling_rate'

export interface MeasuredRow {
  /** As blocks see them. */
  tokens: number
  /** In what the model reads: tokens, frames or samples. */
  length: number
  /** Of sound. */
  seconds?: number
  /** What MACs are counted for. */
  macs: MacRow
}

type Measure = LandscapeConfig['measure']

const DEFAULT_TOKENS = 128
const DEFAULT_SECONDS = 5

/** The config with a length for the kind of model. Throws ERR_CONFIG for both, or for one of another kind. */
export function measureFor({ kind }: ModelSpec, measure: Measure, file: string): Measure {
  const { tokens, seconds } = measure
  if (seconds !== undefined && kind !== 'speech')
    throw refused(file, 'measure.seconds', 'a speech encoder, received a model of text', 'tokens')
  if (seconds !== undefined && tokens !== undefined)
    throw refused(file, 'measure.seconds', 'seconds or tokens, received both', 'one of them')
  if (kind !== 'speech') return { ...measure, tokens: tokens ?? DEFAULT_TOKENS }
  return tokens === undefined ? { ...measure, seconds: seconds ?? DEFAULT_SECONDS } : measure
}

/** Of a model that techniques keep the front of. Throws ERR_CONFIG for what it has no positions for. */
export async function measuredRow(
  spec: ModelSpec,
  folder: string,
  { tokens, seconds, new_tokens }: Measure,
  file: string,
): Promise<MeasuredRow> {
  if (spec.kind !== 'speech') {
    checkRoom(spec, { tokens: tokens!, new_tokens }, file)
    return { tokens: tokens!, length: tokens!, macs: { tokens: tokens! } }
  }
  const rate = await samplingRate(folder, spec)
  const size = modelSize(spec)
  const macs: MacRow = seconds === undefined ? { tokens: tokens! } : { seconds, rate }
  const samples = lengthOf(size, macs)
  const places = positionsOf(size, samples)
  if (places < 2)
    throw configError(
      file,
      `measure.seconds: expected sound of two places at least, ${lengthFor(size, 2) / rate} s, received ${seconds}`,
      { hint: 'A second or more tells something of speed.', key: 'measure.seconds' },
    )
  return {
    ...{ tokens: places, length: spec.frame_width > 0 ? places : samples },
    ...{ seconds: samples / rate, macs },
  }
}

// Met here, as timing comes after the first point is made. No technique changes positions.
function checkRoom(
  spec: ModelSpec,
  { tokens, new_tokens }: { tokens: number; new_tokens: number },
  file: string,
): void {
  const most = mostPositions(spec)
  const after = spec.kind === 'decoder' ? new_tokens - 1 : 0 // the first new one comes with the prompt, the last is not read
  if (tokens + after <= most) return
  const how = after > 0 ? `, as ${new_tokens} new ones come after them` : ''
  const room = Math.max(most - after, 0)
  throw configError(
    file,
    `measure.tokens: expected at most ${room} of ${most} positions${how}, received ${tokens}`,
    {
      hint: 'Set measure.tokens or measure.new_tokens lower.',
      key: 'measure.tokens',
    },
  )
}

const refused = (file: string, key: string, expected: string, instead: string) =>
  configError(file, `${key}: expected ${expected}`, { hint: `Give ${instead} alone.`, key })
