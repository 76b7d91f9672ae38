/** Time of a prompt and of each token after it: batch 1, warmed up, many passes of the same work. */
import type { LandscapeConfig } from '../../config/landscape'
import { type Handle, runJob } from '../../native'
import type { MeasureOptions } from './measure'
import type { PointSpeed } from './record'

type Measure = LandscapeConfig['measure']

/** Ids are any: what a token is takes no time. */
export async function speedOf(
  model: Handle,
  vocabulary: number,
  measure: Measure,
  { signal, onProgress }: MeasureOptions,
): Promise<PointSpeed> {
  const { tokens, new_tokens, warmup, repeats } = measure
  const prompt = Int32Array.from({ length: tokens }, (_, i) => (7919 * (i + 1)) % vocabulary)
  const [prefill, whole]: [number[], number[]] = [[], []]
  const total = warmup + repeats
  for (let pass = 0; pass < total; pass++) {
    onProgress({ label: 'time', done: pass, total })
    const first = await secondsOf(model, prompt, 1, measure.threads, signal)
    const all = await secondsOf(model, prompt, new_tokens, measure.threads, signal)
    if (pass < warmup) continue
    prefill.push(first)
    whole.push(all)
  }
  onProgress({ label: 'time', done: total, total })
  const [first, all] = [summary(prefill), summary(whole)]
  const token = (key: 'min' | 'median') => Math.max(0, all[key] - first[key]) / (new_tokens - 1)
  return { prefill_seconds: first, decode_seconds: { min: token('min'), median: token('median') } }
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

function summary(times: readonly number[]): { min: number; median: number } {
  const sorted = [...times].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2
  return { min: sorted[0]!, median }
}
