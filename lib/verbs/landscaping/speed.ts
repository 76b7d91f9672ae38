/** Time of a prompt and of each token after it: batch 1, warmed up, many passes of the same work. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { LandscapeConfig } from '../../config/landscape'
import { type Handle, runJob } from '../../native'
import type { MeasureOptions } from './measure'
import type { PointSpeed, Range } from './record'

type Measure = LandscapeConfig['measure']

/** What is timed: in turns with it the model that all started from, so that other work on the machine meets both. */
export interface Timed {
  model: Handle
  original?: Handle | undefined
  spec: Pick<ModelSpec, 'kind' | 'vocab_size'>
}

/** Ids are any: what a token is takes no time. */
export async function speedOf(
  { model, original, spec }: Timed,
  measure: Measure,
  options: MeasureOptions,
): Promise<PointSpeed> {
  const handles = original ? [original, model] : [model]
  const times = await timesInTurns(handles, spec, measure, options)
  const [beside, own] = [times[0]!, times.at(-1)!]
  const relative = (key: 'prefill_seconds' | 'request_seconds') => own[key].min / beside[key].min
  return {
    ...own,
    prefill_relative: relative('prefill_seconds'),
    request_relative: relative('request_seconds'),
  }
}

async function timesInTurns(
  handles: readonly Handle[],
  { kind, vocab_size }: Timed['spec'],
  { tokens, new_tokens, warmup, repeats, threads }: Measure,
  { signal, onProgress }: MeasureOptions,
): Promise<Times[]> {
  const prompt = Int32Array.from({ length: tokens }, (_, i) => (7919 * (i + 1)) % vocab_size)
  const answers = kind === 'decoder'
  const passes = handles.map(() => ({ prefill: [] as number[], request: [] as number[] }))
  const total = warmup + repeats
  for (let pass = 0; pass < total; pass++) {
    onProgress({ label: 'time', done: pass, total })
    for (const [i, handle] of handles.entries()) {
      const seconds = (count: number) =>
        secondsOf(() => PASSES[kind](handle, prompt, count, { threads, signal }))
      const prefill = await seconds(1)
      const request = answers ? await seconds(new_tokens) : prefill
      if (pass < warmup) continue
      passes[i]!.prefill.push(prefill)
      passes[i]!.request.push(request)
    }
  }
  onProgress({ label: 'time', done: total, total })
  return passes.map(({ prefill, request }) => {
    const [prefill_seconds, request_seconds] = [summary(prefill), summary(request)]
    const decode_seconds = answers ? decodeOf(prefill_seconds, request_seconds, new_tokens) : null
    return { prefill_seconds, decode_seconds, request_seconds }
  })
}

type Times = Pick<PointSpeed, 'prefill_seconds' | 'decode_seconds' | 'request_seconds'>

function decodeOf(prefill: Range, request: Range, new_tokens: number): Range {
  const token = (key: keyof Range) => Math.max(0, request[key] - prefill[key]) / (new_tokens - 1)
  return { min: token('min'), median: token('median') }
}

type Pass = (
  model: Handle,
  prompt: Int32Array,
  new_tokens: number,
  how: { threads: number; signal: AbortSignal },
) => Promise<unknown>

/** One request, by the kind of model: an encoder reads its prompt and is done. */
const PASSES: Readonly<Record<ModelSpec['kind'], Pass>> = {
  decoder(model, prompt, max_new_tokens, { threads, signal }) {
    const sampling = { temperature: 0, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, seed: 0 }
    const options = { model, prompts: [prompt], max_new_tokens, stop_ids: new Int32Array(), stream: false }
    return runJob('generate', { ...options, ...sampling, threads }, { signal })
  },
  encoder: (model, prompt, _, { threads, signal }) =>
    runJob('embed', { model, rows: [prompt], pooling: 'mean', normalize: false, threads }, { signal }),
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

function summary(times: readonly number[]): Range {
  const sorted = [...times].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2
  return { min: sorted[0]!, median }
}
