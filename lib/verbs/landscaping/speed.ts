/** Time of a prompt and of each token after it: batch 1, warmed up, many runs of the same work. */
import type { LandscapeConfig } from '../../config/landscape'
import { type Handle, type MeasuredSpeed, runJob } from '../../native'
import { fastestAndMiddle, type Seconds } from '../measure'
import type { MeasureOptions } from './measure'
import type { PointSpeed } from './record'
import type { MeasuredRow } from './row'

type Measure = LandscapeConfig['measure']

/** What is timed: in turns with it the model that all started from, so that other work on the machine meets both. */
export interface Timed {
  model: Handle
  original?: Handle | undefined
}

export async function speedOf(
  { model, original }: Timed,
  measure: Measure,
  row: MeasuredRow,
  options: MeasureOptions,
): Promise<PointSpeed> {
  const handles = original ? [original, model] : [model]
  const times = await timesInTurns(handles, measure, row, options)
  const [beside, own] = [times[0]!, times.at(-1)!]
  const relative = (key: 'prefill_seconds' | 'request_seconds') => own[key].min / beside[key].min
  return {
    ...own,
    prefill_relative: relative('prefill_seconds'),
    request_relative: relative('request_seconds'),
    ...(row.seconds !== undefined && { real_time_factor: over(own.prefill_seconds, row.seconds) }),
  }
}

const over = ({ min, median }: Seconds, seconds: number): Seconds => ({
  min: min / seconds,
  median: median / seconds,
})

type Times = Pick<PointSpeed, 'prefill_seconds' | 'decode_seconds' | 'request_seconds'>

async function timesInTurns(
  handles: readonly Handle[],
  { new_tokens, warmup, repeats, threads }: Measure,
  { length: tokens }: MeasuredRow,
  { signal, onProgress }: MeasureOptions,
): Promise<Times[]> {
  // The first of the new tokens comes with the prompt.
  const once = { tokens, new_tokens: new_tokens - 1, warm_up: 0, runs: 1, seconds: 0, threads }
  const runs = handles.map(() => [] as MeasuredSpeed[])
  const total = warmup + repeats
  for (let turn = 0; turn < total; turn++) {
    onProgress({ label: 'time', done: turn, total })
    for (const [i, model] of handles.entries()) {
      const run = await runJob('measureSpeed', { ...once, model }, { signal })
      if (turn >= warmup) runs[i]!.push(run)
    }
  }
  onProgress({ label: 'time', done: total, total })
  return runs.map((all) => timesOf(all, new_tokens))
}

// An encoder reads its prompt and is done.
function timesOf(runs: readonly MeasuredSpeed[], new_tokens: number): Times {
  const prefill = runs.map(({ first_token, pass }) => first_token[0] ?? pass[0]!)
  const decode = runs.flatMap(({ token }) => token)
  const request = prefill.map((seconds, i) => seconds + (new_tokens - 1) * (decode[i] ?? 0))
  return {
    prefill_seconds: fastestAndMiddle(prefill),
    decode_seconds: decode.length > 0 ? fastestAndMiddle(decode) : null,
    request_seconds: fastestAndMiddle(request),
  }
}
