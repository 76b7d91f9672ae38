// Asks a model the questions of a folder of the demo's world, and reads it held-out text.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel } from 'tongueforge'
import { DATASET_FILES } from '#lib/world/datasets'
import { measureAnswer, measureRow } from '#lib/world/measure'
import { GENERATION } from '#lib/world/recipe'
import { chatPrompt, tokenId } from '#lib/world/tokenizer'

/** `{ prompts, held_out_a, held_out_b }` of a world. */
export function readQuestions(world) {
  const read = (name) =>
    readFileSync(join(world, DATASET_FILES[name]), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  const texts = (name) => read(name).map(({ text }) => text)
  return { prompts: read('prompts'), held_out_a: texts('held_out_a'), held_out_b: texts('held_out_b') }
}

/** `row`: its measures (lib/world/measure.ts) and perplexities; `samples`: an answer in B of each kind of question. */
export async function measureModel(folder, { prompts, held_out_a, held_out_b }) {
  const model = await loadModel(folder, { threads: 1 })
  try {
    const answers = await ask(model, prompts)
    const measures = prompts.map((item, i) => measureAnswer(item, answers[i].text, answers[i].finish_reason))
    const ppl_a = await perplexity(model, held_out_a)
    const ppl_b = await perplexity(model, held_out_b)
    return { row: { ...measureRow(measures), ppl_a, ppl_b }, samples: sampleAnswers(prompts, answers) }
  } finally {
    await model.dispose()
  }
}

// All models are asked in the chat template and stopped at the end of turn, also those that have never seen either.
// A model that begins a new document has left the conversation: what follows <bos> is not its answer.
async function ask(model, prompts) {
  const { tokenizer } = await model.text()
  const rows = await tokenizer.encodeBatch(
    prompts.map(({ prompt }) => chatPrompt(prompt)),
    { addSpecialTokens: false },
  )
  const { max_new_tokens: maxNewTokens, stop_token } = GENERATION
  const results = await model.generateIds(rows, { maxNewTokens, stopIds: [tokenId(stop_token)] })
  return Promise.all(
    results.map(async ({ ids, finish_reason }) => {
      const end = ids.indexOf(tokenId('<bos>'))
      const text = await tokenizer.decode(end < 0 ? ids : ids.slice(0, end))
      return { text, finish_reason: end < 0 ? finish_reason : 'length' }
    }),
  )
}

async function perplexity(model, texts) {
  const scores = await model.scoreIds(await (await model.text()).tokenizer.encodeBatch(texts))
  const total = (key) => scores.reduce((sum, score) => sum + score[key], 0)
  return Math.exp(total('nll') / total('tokens'))
}

function sampleAnswers(prompts, answers) {
  const kinds = new Set()
  return prompts.flatMap(({ lang, kind, prompt }, i) => {
    if (lang !== 'b' || kinds.has(kind)) return []
    kinds.add(kind)
    const { text, finish_reason } = answers[i]
    return [{ prompt, answer: finish_reason === 'stop' ? text : `${text} ...` }]
  })
}
