// Our merge of a case, and whether it is mergekit's: for the golden results and for the live program.
import { join } from 'node:path'
import { ChatTemplate } from '#lib/text/chat_template'
import { CASES, ourConfig, writeModelsOf } from './merge_cases.mjs'
import { differences } from './merge_comparison.mjs'
import { readResult } from './merge_results.mjs'
import { numbersOf } from './safetensors.mjs'

const RECIPE_SCALE = 0.8

/**
 * Merges a case with us into `out`, its models made in `root` at a size; resolves with the result. `settings` are keys
 * of ours such as compat.
 */
export async function mergeCase(merge, item, { root, size, out, settings }) {
  writeModelsOf(item, root, size)
  await merge({ ...ourConfig(item, root), ...settings }, { out })
  return readResult(out)
}

/** What is not as mergekit has it in a result of ours, a line each. */
export function nonconformities({ tolerance, divergence }, received, expected) {
  const lines = differences(received, expected, tolerance)
  const config = trueConfig(expected)
  for (const key of Object.keys(config)) {
    if (received.config[key] !== config[key])
      lines.push(`config.json: ${key} expected ${config[key]}, received ${received.config[key]}`)
  }
  const [ours, theirs] = [received, expected].map(({ template }) =>
    divergence === 'preset_templates' ? conversation(template) : template,
  )
  if (ours !== theirs) lines.push(`chat template: expected ${theirs}, received ${ours}`)
  return lines
}

/**
 * Our graft of the models of the case chat_vector_recipe, against mergekit's result of it (`expected`): which elements
 * are not the same, and which of those are farther than mergekit's from target + scale * (chat - base) in double.
 */
export async function compareGraft(graft, expected, { root, size, out }) {
  const item = CASES.find(({ name }) => name === 'chat_vector_recipe')
  writeModelsOf(item, root, size)
  const inputs = ['origin_bf16', 'a_bf16', 'b_bf16'].map((name) => join(root, name))
  const [base, target, chat] = inputs
  await graft({ base, target, chat, scale: RECIPE_SCALE, out })
  const found = { elements: 0, other: [], farther: [] }
  for (const name of Object.keys(expected.tensors)) {
    const [got, wanted, b, t, c] = [readResult(out), expected, ...inputs.map(readResult)].map(({ tensors }) =>
      numbersOf(tensors[name]),
    )
    found.elements += got.length
    for (let i = 0; i < got.length; i++) {
      if (got[i] === wanted[i]) continue
      const exact = t[i] + Math.fround(RECIPE_SCALE) * Math.fround(c[i] - b[i])
      found.other.push(`${name}[${i}]`)
      if (Math.abs(got[i] - exact) > Math.abs(wanted[i] - exact)) found.farther.push(`${name}[${i}]`)
    }
  }
  return found
}

/** The config that mergekit's own tensors ask for: what it says itself, but in the cases of a divergence. */
export function trueConfig({ config, tensors }) {
  return {
    ...config,
    tie_word_embeddings: !('lm_head.weight' in tensors),
    vocab_size: tensors['model.embed_tokens.weight'].shape[0],
  }
}

const CONVERSATION = [
  { role: 'system', content: 'You answer.' },
  { role: 'user', content: 'Ask.' },
  { role: 'assistant', content: 'Answer.' },
  { role: 'user', content: 'Ask on.' },
]

/** What a template makes of a conversation, as the two programs have their own texts of the well-known ones. */
function conversation(source) {
  const template = new ChatTemplate(source, { tokens: { bos_token: '<s>', eos_token: '</s>' } })
  const render = (messages) => template.render(messages, { addGenerationPrompt: true })
  const plain = render(CONVERSATION.slice(1))
  try {
    return `${plain}\n---\n${render(CONVERSATION)}`
  } catch {
    return `${plain}\n---\nno system message`
  }
}
