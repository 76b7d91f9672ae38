/** Asks a model the demo's questions, and reads it held-out text. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClaimRow } from '../../world/claims'
import { DATASET_FILES, type PromptItem } from '../../world/datasets'
import { measureAnswer, measureRow } from '../../world/measure'
import { GENERATION } from '../../world/recipe'
import { chatPrompt, tokenId } from '../../world/tokenizer'
import { loadDecoder, type Model } from '../model'

export interface Sample {
  prompt: string
  answer: string
}

export interface Measured {
  row: ClaimRow
  /** A few answers to prompts in B, one of each kind. */
  samples: Sample[]
}

export interface Questions {
  prompts: PromptItem[]
  held_out_a: string[]
  held_out_b: string[]
}

export async function readQuestions(world: string): Promise<Questions> {
  const read = async <T>(name: keyof typeof DATASET_FILES) =>
    (await readFile(join(world, DATASET_FILES[name]), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as T)
  const texts = async (name: 'held_out_a' | 'held_out_b') =>
    (await read<{ text: string }>(name)).map(({ text }) => text)
  return {
    prompts: await read<PromptItem>('prompts'),
    held_out_a: await texts('held_out_a'),
    held_out_b: await texts('held_out_b'),
  }
}

export async function measureModel(
  folder: string,
  questions: Questions,
  signal?: AbortSignal,
): Promise<Measured> {
  await using model = await loadDecoder(folder, { threads: 1, signal })
  const answers = await ask(model, questions.prompts, signal)
  const measures = questions.prompts.map((item, i) =>
    measureAnswer(item, answers[i]!.text, answers[i]!.finish_reason),
  )
  return {
    row: {
      ...measureRow(measures),
      ppl_a: await perplexity(model, questions.held_out_a, signal),
      ppl_b: await perplexity(model, questions.held_out_b, signal),
    },
    samples: sampleAnswers(questions.prompts, answers),
  }
}

interface Answer {
  text: string
  finish_reason: 'stop' | 'length'
}

// All models are asked in the chat template and stopped at the end of turn, also those that have never seen either.
// A model that begins a new document has left the conversation: what follows <bos> is not its answer.
async function ask(model: Model, prompts: readonly PromptItem[], signal?: AbortSignal): Promise<Answer[]> {
  const { tokenizer } = await model.text()
  const rows = await tokenizer.encodeBatch(
    prompts.map(({ prompt }) => chatPrompt(prompt)),
    { addSpecialTokens: false },
  )
  const options = {
    maxNewTokens: GENERATION.max_new_tokens,
    stopIds: [tokenId(GENERATION.stop_token)],
    signal,
  }
  const results = await model.generateIds(rows, options)
  return Promise.all(
    results.map(async ({ ids, finish_reason }) => {
      const end = ids.indexOf(tokenId('<bos>'))
      const text = await tokenizer.decode(end < 0 ? ids : ids.slice(0, end))
      return { text, finish_reason: end < 0 ? finish_reason : 'length' }
    }),
  )
}

async function perplexity(model: Model, texts: readonly string[], signal?: AbortSignal): Promise<number> {
  const rows = await (await model.text()).tokenizer.encodeBatch(texts)
  const scores = await model.scoreIds(rows, { signal })
  const total = (key: 'nll' | 'tokens') => scores.reduce((sum, score) => sum + score[key], 0)
  return Math.exp(total('nll') / total('tokens'))
}

function sampleAnswers(prompts: readonly PromptItem[], answers: readonly Answer[]): Sample[] {
  const kinds = new Set<string>()
  const samples: Sample[] = []
  prompts.forEach((item, i) => {
    if (item.lang !== 'b' || kinds.has(item.kind)) return
    kinds.add(item.kind)
    const { text, finish_reason } = answers[i]!
    samples.push({ prompt: item.prompt, answer: finish_reason === 'stop' ? text : `${text} ...` })
  })
  return samples
}
