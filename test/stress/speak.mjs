import { loadModel } from 'tongueforge'

const PROMPTS = ['the fox', 'a river and the stone', 'who sees the bird ?']

/** Loads a model, and resolves with all that it says of the prompts: at once and sampled, with their likelihood. */
export async function speak({ folder, times }) {
  const model = await loadModel(folder, { threads: 1 })
  const said = []
  for (let i = 0; i < times; i++) {
    const settings = { maxNewTokens: 40, temperature: i === 0 ? 0 : 1, seed: i }
    const answers = PROMPTS.map((prompt) => model.generate(prompt, settings).result)
    for (const { text, ids } of await Promise.all(answers)) said.push({ text, ids })
    for (const prompt of PROMPTS) said.push(await model.score(prompt))
  }
  await model.dispose()
  return said
}
