// The table of merges that mergekit and we are compared on: test/mergekit/cases/*.yaml. An item is
//   case         its name; with `variants`, one case a dtype, named NAME.DTYPE
//   merge        the configuration, as both programs read it; model names are rows of merge_models.mjs
//   tolerance    how the results are compared: a row of TOLERANCES in merge_comparison.mjs
//   seed         of the random methods
//   shard_bytes  largest file of the result
//   same_as      a case that gives the same bytes
//   fails        both refuse it
//   divergence   a key of divergences.yaml, or a list of them: what we do otherwise
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { ADAPTERS, MODELS, writeMergeModels } from './merge_models.mjs'
import { readTensors } from './safetensors.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const folder = join(here, '../mergekit')

/** Where the golden results lie; make_golden.mjs there says what they are. */
export const GOLDEN_FOLDER = join(here, '../golden/mergekit')

const VARIANTS = {
  float32: { dtype: 'float32' },
  bfloat16: { dtype: 'bfloat16' },
  float16: { dtype: 'float16' },
  float32_to_bfloat16: { dtype: 'float32', out_dtype: 'bfloat16' },
}

/** Every case of the table: {name, ...the item's other keys}, its variants spread out. */
export const CASES = readdirSync(join(folder, 'cases'))
  .sort()
  .flatMap((file) => parse(readFileSync(join(folder, 'cases', file), 'utf8')).flatMap(expand))

/** What differs by design: {key: {merge: what is merged, mergekit, ours: what each does, compat: whether it asks for theirs}}. */
export const DIVERGENCES = parse(readFileSync(join(folder, 'divergences.yaml'), 'utf8'))

/** Whether a case shows a divergence. */
export const diverges = ({ divergence = [] }, name) => [divergence].flat().includes(name)

function expand({ case: name, variants, ...item }) {
  if (!variants) return [{ name, ...item }]
  return variants.map((dtype) => ({
    ...item,
    name: `${name}.${dtype}`,
    merge: { ...item.merge, ...VARIANTS[dtype] },
  }))
}

/** The golden result of a case: {tensors, config, tokens, template}, or {refused: true}. */
export function readGolden({ name, fails }) {
  const expected = JSON.parse(readFileSync(join(GOLDEN_FOLDER, 'expected.json'), 'utf8'))[name]
  return fails ? expected : { ...expected, tensors: readTensors(join(GOLDEN_FOLDER, `${name}.safetensors`)) }
}

/** Whether mergekit said that it does not know the case's method: ram and ramplus_tl came after the release. */
export const lacksMethod = (log) => /Unimplemented merge method ram/.test(log)

/**
 * Runs mergekit on a case, its models made in `root` at a size; resolves with {code, log, out}. `mergekit` is what
 * startMergekit gave. It reads names as paths from `root`, so that its sets of models do not depend on where that is.
 */
export async function runMergekit(mergekit, item, root, size) {
  const config = writeCase(item, root, size)
  const out = join(root, 'mergekit', item.name)
  const options = {
    'random-seed': item.seed,
    'out-shard-size': item.shard_bytes,
    'lora-merge-cache': join(root, 'lora-merge-cache'),
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const job = {
    config,
    out,
    folder: root,
    arguments: given.flatMap(([name, value]) => [`--${name}`, String(value)]),
  }
  return { ...(await mergekit.run(job)), out }
}

/** Writes the models that a case names and its configuration, with their names as paths, into `root`. */
function writeCase(item, root, size) {
  writeModelsOf(item, root, size)
  const file = join(root, `${item.name}.yaml`)
  writeFileSync(file, stringify(item.merge))
  return file
}

/** Writes the models that a case names into `root`. */
export function writeModelsOf({ merge }, root, size) {
  writeMergeModels(root, namesIn(merge), size)
}

/** The configuration of a case for us: mergekit's, with its models where they lie and what its command is told. */
export function ourConfig({ merge, seed, shard_bytes: shardBytes }, root) {
  return {
    ...located(merge, root),
    ...(seed !== undefined && { seed }),
    ...(shardBytes !== undefined && { shard_size: shardBytes }),
  }
}

function namesIn(value) {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(namesIn)
  return isReference(value) ? value.split('+') : []
}

function located(value, root) {
  if (Array.isArray(value)) return value.map((item) => located(item, root))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, located(item, root)]))
  if (!isReference(value)) return value
  return value
    .split('+')
    .map((name) => join(root, name))
    .join('+')
}

const isReference = (value) =>
  typeof value === 'string' && value.split('+').every((name) => name in MODELS || name in ADAPTERS)
