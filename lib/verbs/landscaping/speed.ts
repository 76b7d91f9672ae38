/** Time of a prompt and of each token after it: batch 1, warmed up, many passes of the same work. */
import type { LandscapeConfig } from '../../config/landscape'
import { type Handle, runJob } from '../../native'
import type { MeasureOptions } from './measure'
import type { PointSpeed, Range } from './record'

type Measure = LandscapeConfig['measure']

/** What is timed: in turns with it the model that all started from, so that other work on the machine meets both. */
export interface Timed {
  model: Handle
  original?: Handle | undefined
  vocab_size: number
}

/** Ids are any: what a token is takes no time. */
export async function speedOf(
  { model, original, vocab_size }: Timed,
  measure: Measure,
  { signal, onProgress }: MeasureOptions,
): Promise<PointSpeed> {
  const { tokens, new_tokens, warmup, repeats, threads } = measure
  const prompt = Int32Array.from({ length: tokens }, (_, i) => (7919 * (i + 1)) % vocab_size)
  const handles = original ? [original, model] : [model]
  const [first, whole] = [handles, handles].map((list) => list.map((): number[] => []))
  const total = warmup + repeats
  for (let pass = 0; pass < total; pass++) {
    onProgress({ label: 'time', done: pass, total })
    for (const [i, handle] of handles.entries()) {
      const prefill = await secondsOf(handle, prompt, 1, threads, signal)
      const all = await secondsOf(handle, prompt, new_tokens, threads, signal)
      if (pass < warmup) continue
      first![i]!.push(prefill)
      whole![i]!.push(all)
    }
  }
  onProgress({ label: 'time', done: total, total })
  const times = handles.map((_, i) => timesOf(summary(first![i]!), summary(whole![i]!), new_tokens))
  const [beside, own] = [times[0]!, times.at(-1)!]
  const relative = (of: (times: Times) => number) => of(own) / of(beside)
  return {
    ...own,
    prefill_relative: relative((one) => one.prefill_seconds.min),
    request_relative: relative((one) => one.request_seconds.min),
  }
}

type Times = Pick<PointSpeed, 'prefill_seconds' | 'decode_seconds' | 'request_seconds'>

function timesOf(prefill: Range, request: Range, new_tokens: number): Times {
  const token = (key: keyof Range) => Math.max(0, request[key] - prefill[key]) / (new_tokens - 1)
  return {
    prefill_seconds: prefill,
    decode_seconds: { min: token('min'), median: token('median') },
    request_seconds: request,
  }
}

async function secondsOf(
  model: Handle,
  prompt: Int32Array,
  max_new_tokens: number,
  threads: number,
  signal: AbortSignal,
): Promise<number> {
  const sampling = { temperature: 0, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, seed: 0 }
  const options = { model, prompts: [prompt], max_new_tokens, stop_ids: new Int32Array(), stream: false }
  const start = performance.now()
  await runJob('generate', { ...options, threads, ...sampling }, { signal })
  return (performance.now() - start) / 1000
}

function summary(times: readonly number[]): Range {
  const sorted = [...times].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2
  return { min: sorted[0]!, median }
}
