// Asks a model many questions at the same time, and tells what they shared.
//   node examples/many_questions.mjs MODEL QUESTION...
import { loadModel } from 'tongueforge'

const [folder, ...questions] = process.argv.slice(2)
const model = await loadModel(folder, { serving: { sequences: 16, queue: questions.length, cache: '200MB' } })
const answer = async (content) => {
  const { text, usage } = await model.chat([{ role: 'user', content }], { maxNewTokens: 40 }).result
  console.log(`${content} ${text} (${usage.new_tokens} tokens)`)
}
await Promise.all(questions.map(answer))
const { new_tokens, steps, cached_tokens } = model.stats()
console.log(`${new_tokens} tokens in ${steps} steps, ${cached_tokens} tokens of prompts found computed`)
await model.dispose()
