/** One model on one task: documents -> requests -> log-likelihoods -> a sample a document. */
import type { EvaluateConfig } from '../../config/evaluate'
import { TongueforgeError } from '../../errors'
import { argmax } from '../../tasks/metrics'
import { type PromptOptions, pairsOf } from '../../tasks/prompt'
import type { Question } from '../../tasks/task'
import type { ChatTemplate } from '../../text/chat_template'
import { mapPaced } from '../../text/pause'
import { bytes, words } from '../../text/python_text'
import type { Likelihood, LikelihoodRequest, Model } from '../model'
import type { RequestEncoder } from './encode'
import type { OpenChoiceTask, OpenLikelihoodTask, OpenRollingTask } from './open_task'
import type { GenerationSample } from './written'

/** A document with all that was asked of it: a line of samples_TASK.jsonl. */
export type Sample = ChoiceSample | RollingSample | GenerationSample

export interface ChoiceSample {
  doc_id: number
  doc: object
  /** What stands before the answers: one text, or one for each. */
  context: string | string[]
  continuations: string[]
  log_likelihoods: number[]
  is_greedy: boolean[]
  /** Place of the likeliest answer, and of the right one or ones. */
  prediction: number
  target: number | readonly number[]
  /** By metric. */
  values: Record<string, number>
}

export interface RollingSample {
  doc_id: number
  doc: object
  log_likelihood: number
  tokens: number
  words: number
  bytes: number
}

/** The requests of one document, and what to make of their likelihoods. */
export interface Asked {
  requests: LikelihoodRequest[]
  sample(found: readonly Likelihood[]): Sample
}

export interface MeasureOptions {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined
}

/** What a model reads of a task. Throws ERR_DATA, ERR_TEMPLATE. */
export async function askedOf(
  opened: OpenLikelihoodTask,
  encoder: RequestEncoder,
  options: PromptOptions,
): Promise<Asked[]> {
  return opened.kind === 'choices' ? choices(opened, encoder, options) : rolling(opened, encoder)
}

export function promptOptions(config: EvaluateConfig, template: ChatTemplate | undefined): PromptOptions {
  const { chat_template, system_instruction, fewshot_as_multiturn } = config
  if (!chat_template) return { system_instruction }
  if (template === undefined)
    throw new TongueforgeError('ERR_TEMPLATE', 'Expected a model with a chat template, found none', {
      hint: 'Leave chat_template out, or put the chat_template.jinja of the original model into the folder.',
    })
  return { system_instruction, fewshot_as_multiturn, template }
}

/** All requests at once: what begins alike, across documents too, is read once. */
export async function measured(
  model: Model,
  asked: readonly Asked[],
  batchTokens: number,
  options: MeasureOptions,
): Promise<Sample[]> {
  const requests = asked.flatMap((one) => one.requests)
  const found = await model.likelihoods(requests, { ...options, batchTokens })
  let next = 0
  return asked.map((one) => {
    const begin = next
    next += one.requests.length
    return one.sample(found.slice(begin, next))
  })
}

async function choices(
  { task, docs, questions, shots, texts }: OpenChoiceTask,
  encoder: RequestEncoder,
  options: PromptOptions,
): Promise<Asked[]> {
  const all = await mapPaced(questions, (question, i) => pairsOf(task, question, shots[i]!, texts, options))
  const requests = await encoder.pairs(all.flat())
  let next = 0
  return all.map((pairs, i) => {
    const begin = next
    next += pairs.length
    const question = questions[i]!
    const asked = {
      context: typeof question.context === 'string' ? pairs[0]!.context : pairs.map(({ context }) => context),
      continuations: pairs.map(({ continuation }) => continuation),
    }
    const place = { doc_id: i, doc: docs[i]! }
    return {
      requests: requests.slice(begin, next),
      sample: (found) => ({ ...place, ...asked, ...judged(task, question, found) }),
    }
  })
}

function judged({ metrics }: OpenChoiceTask['task'], question: Question, found: readonly Likelihood[]) {
  const log_likelihoods = found.map((one) => one.log_likelihood)
  const scored = { question, log_likelihoods }
  const values = Object.entries(metrics).map(([name, metric]) => [name, metric(scored)])
  return {
    log_likelihoods,
    is_greedy: found.map((one) => one.is_greedy),
    prediction: argmax(log_likelihoods),
    target: question.gold,
    values: Object.fromEntries(values) as Record<string, number>,
  }
}

async function rolling({ task, docs }: OpenRollingTask, encoder: RequestEncoder): Promise<Asked[]> {
  const asked: Asked[] = []
  for (const [doc_id, doc] of docs.entries()) {
    const counted = task.counted(doc)
    const requests = await encoder.windows(task.text(doc))
    const tokens = requests.reduce((sum, { ids, firstTarget }) => sum + ids.length - firstTarget, 0)
    const sizes = { tokens, words: words(counted), bytes: bytes(counted) }
    asked.push({
      requests,
      sample: (found) => ({
        ...{ doc_id, doc, ...sizes },
        log_likelihood: found.reduce((sum, one) => sum + one.log_likelihood, 0),
      }),
    })
  }
  return asked
}
