// Our merge of a case, and whether it is mergekit's: for the golden results and for the live program.
import { join } from 'node:path'
import { ChatTemplate } from '#lib/text/chat_template'
import { roundedBits } from './half_precision.mjs'
import { CASES, DIVERGENCES, diverges, ourConfig, writeModelsOf } from './merge_cases.mjs'
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

/** What is not as mergekit has it in a result of ours with `compat: mergekit`, a line each. */
export function nonconformities(item, received, expected) {
  const lines = differences(received, expected, item.tolerance)
  const config = trueConfig(expected)
  for (const key of Object.keys(config)) {
    if (received.config[key] !== config[key])
      lines.push(`config.json: ${key} expected ${config[key]}, received ${received.config[key]}`)
  }
  const [ours, theirs] = [received, expected].map(({ template }) =>
    diverges(item, 'preset_templates') ? conversation(template) : template,
  )
  if (ours !== theirs) lines.push(`chat template: expected ${theirs}, received ${ours}`)
  return [...lines, ...indexFaults(item, received)]
}

/** Which tensor lies in which shard is each program's own affair; the index has to be complete. */
function indexFaults({ shard_bytes: shardBytes }, { tensors, index }) {
  if (!shardBytes) return index ? ['an index, and nothing asked for shards'] : []
  if (!index) return ['no index, though shards were asked for']
  const listed = Object.keys(index.weight_map).sort()
  const bytes = Object.values(tensors).reduce((sum, tensor) => sum + tensor.bytes.length, 0)
  return [
    String(listed) !== String(Object.keys(tensors).sort()) && `index: lists ${listed}`,
    index.metadata.total_size !== bytes && `index: total_size ${index.metadata.total_size}, not ${bytes}`,
    new Set(Object.values(index.weight_map)).size < 2 && 'index: one shard',
  ].filter(Boolean)
}

/**
 * Whether our own numerics can be compared with mergekit's result: not where it draws at random, where a threshold
 * chooses among rounded magnitudes, where it refuses, or where we do otherwise on purpose.
 */
export function isComparable(item) {
  const differs = Object.keys(DIVERGENCES).some((name) => DIVERGENCES[name].compat && diverges(item, name))
  return !item.fails && item.seed === undefined && item.tolerance !== 'kept' && !differs
}

/** What is farther from mergekit's result in one of our own numerics than `near` allows, a line each. */
export const farElements = ({ tolerance }, received, expected) =>
  differences(received, expected, tolerance.startsWith('tokens') ? 'near_by_token' : 'near')

/** The magnitudes of the deltas that a merge of one 16-bit model into `base` kept, as their bits, sorted, by tensor. */
export function keptMagnitudes({ tensors }, base, model) {
  const kept = ([name, tensor]) => {
    const [out, b, x] = [tensor, base.tensors[name], model.tensors[name]].map(numbersOf)
    const indices = [...out.keys()].filter((i) => out[i] !== b[i])
    const bits = indices.map((i) => roundedBits(Math.abs(x[i] - b[i]), tensor.dtype))
    return [name, bits.sort((one, other) => one - other)]
  }
  return Object.fromEntries(Object.entries(tensors).map(kept))
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

/** Words and tags that a template makes of a conversation, without blanks and bos and eos. */
function conversation(source) {
  const messages = [
    { role: 'system', content: 'Answer.' },
    { role: 'user', content: 'Well?' },
    { role: 'assistant', content: 'Well.' },
    { role: 'user', content: 'And?' },
  ]
  const template = new ChatTemplate(source, { tokens: { bos_token: '', eos_token: '' } })
  return template.render(messages, { addGenerationPrompt: true }).replace(/\s/g, '')
}
