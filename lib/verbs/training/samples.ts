/** What the model in training says to some prompts, and how often it comes to an end by itself. */
import { describeValue } from '../../checkpoint/json_file'
import { type ModelSpec, mostPositions, positionsToWrite } from '../../checkpoint/model_spec'
import type { SamplesConfig } from '../../config/samples'
import { TongueforgeError } from '../../errors'
import { stopped } from '../../tasks/measures/answers'
import { mean } from '../../tasks/metrics'
import type { Message } from '../../text/chat_template'
import { requireTemplate } from '../../text/inscp_frame'
import { readLines } from '../../text/lines'
import type { ModelText } from '../../text/model_text'
import { type GeneratedIds, samplingSettings } from '../generate'
import type { HeldOutOptions } from './held_out'
import type { Trainer } from './trainer'

/** One line of samples.jsonl. */
export interface Sample {
  /** Updates done. */
  step: number
  prompt: string
  /** The new text only. */
  text: string
  /** stop: ended by an end-of-turn or end-of-sequence token; length: cut off at max_new_tokens. */
  finish_reason: 'stop' | 'length'
  /** New ones, without the one that ended it. */
  tokens: number
}

/** Prompts, made ready once. */
export interface SamplesPlan {
  config: SamplesConfig
  chat: boolean
  prompts: { text: string; ids: Int32Array }[]
}

/** Throws ERR_NOT_FOUND, ERR_DATA, ERR_CONTEXT and ERR_TEMPLATE for prompts that cannot be asked. */
export async function planSamples(
  config: SamplesConfig,
  text: ModelText,
  spec: ModelSpec,
): Promise<SamplesPlan> {
  const texts = typeof config.prompts === 'string' ? await promptsOf(config.prompts) : config.prompts
  const chat = config.chat ?? text.template !== undefined
  const positions = spec.kind === 'decoder' ? positionsToWrite(spec) : mostPositions(spec)
  const prompts = []
  for (const prompt of texts) {
    const ids = chat ? await chatIds(prompt, config, text) : await text.tokenizer.encodePrompt(prompt)
    if (ids.length === 0) throw noTokens(prompt)
    if (ids.length >= positions) throw noRoom(prompt, ids.length, positions)
    prompts.push({ text: prompt, ids })
  }
  return { config, chat, prompts }
}

/** Generates with the weights as they are; nothing of the training changes. */
export async function takeSamples(
  trainer: Trainer,
  { config, chat, prompts }: SamplesPlan,
  { tokenizer, stopIds }: ModelText,
  { step, signal, onProgress }: HeldOutOptions & { step: number },
): Promise<Sample[]> {
  const { max_new_tokens, temperature, top_k, top_p, seed } = config
  const settings = samplingSettings({
    maxNewTokens: max_new_tokens,
    temperature,
    topK: top_k,
    topP: top_p,
    seed,
  })
  const total = prompts.length * max_new_tokens
  let done = 0
  const ids = prompts.map((prompt) => prompt.ids)
  const onToken = () => onProgress?.({ label: 'sample', done: ++done, total })
  const answers = await trainer.generate(ids, { ...settings, stop_ids: stopIds }, { signal, onToken })
  return prompts.map((prompt, i) => sampleOf(answers[i]!, { prompt, step, tokenizer, chat }))
}

/** Share of samples that ended by themselves. */
export function stopRate(samples: readonly Sample[]): number {
  return mean(samples.map(stopped))
}

interface Asked {
  prompt: SamplesPlan['prompts'][number]
  step: number
  tokenizer: ModelText['tokenizer']
  chat: boolean
}

function sampleOf({ ids, finish_reason }: GeneratedIds, { prompt, step, tokenizer, chat }: Asked): Sample {
  // A continuation keeps the space before its first word, an answer does not.
  const stream = tokenizer.stream({ context: chat ? [] : prompt.ids })
  const text = ids.map((id) => stream.push(id)).join('') + stream.flush()
  return { step, prompt: prompt.text, text, finish_reason, tokens: ids.length }
}

async function promptsOf(file: string): Promise<string[]> {
  const prompts: string[] = []
  for await (const { text } of readLines(file, { maxBytes: 2 ** 20 }))
    if (text.trim() !== '') prompts.push(text.trim())
  if (prompts.length > 0) return prompts
  throw new TongueforgeError('ERR_DATA', `${file}: expected prompts, one on each line, found none`, {
    hint: 'Write some, or give a list: prompts: [...]',
    details: { file, key: 'eval.samples.prompts' },
  })
}

// As in transformers: the template writes BOS, or there is none.
function chatIds(prompt: string, { system }: SamplesConfig, text: ModelText): Promise<Int32Array> {
  const messages: Message[] = [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: prompt },
  ]
  const rendered = requireTemplate(text).render(messages, { addGenerationPrompt: true })
  return text.tokenizer.encode(rendered, { addSpecialTokens: false })
}

function noTokens(prompt: string): TongueforgeError {
  const received = JSON.stringify(prompt)
  return new TongueforgeError(
    'ERR_DATA',
    `eval.samples.prompts: expected a text of at least one token, received ${received}`,
    { hint: 'Leave it out, or write more.', details: { key: 'eval.samples.prompts' } },
  )
}

function noRoom(prompt: string, tokens: number, positions: number): TongueforgeError {
  const key = 'eval.samples.prompts'
  return new TongueforgeError(
    'ERR_CONTEXT',
    `${key}: expected prompts of 1 to ${positions - 1} tokens, received one of ${tokens}: ${describeValue(prompt)}`,
    {
      hint: `The model has ${positions} positions: leave it out, or shorten it.`,
      details: { key, tokens, positions },
    },
  )
}
