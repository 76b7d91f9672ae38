/** Whose tokens the result has, and which rows they are made of. */
import { join } from 'node:path'
import { readTextFileIfPresent } from '../../checkpoint/json_file'
import type { MergeConfig } from '../../config/merge'
import { MERGE_METHODS } from '../../config/merge_methods'
import { TongueforgeError } from '../../errors'
import { Vocabulary } from '../../text/alignment/vocabulary'
import { inSteps } from '../../text/pause'
import { type MergeModel, type MergeModels, mergedOf, sectionOf, withoutPrefix } from './references'
import { isIdentity, type ModelRows, planRows, type RowPlan } from './rows'
import { EMBEDDING } from './tensors'
import { type UnionTokenizer, unionTokenizer } from './union'

export interface VocabularyPlan {
  /** The model whose tokenizer, template and generation files the result gets. */
  owner: string
  /** Instead of its tokenizer.json. */
  union?: UnionTokenizer
  num_rows: number
  /** Absent: rows go by their number, and every model has as many. */
  rows?: RowPlan
  warnings: string[]
}

/** The tokens of a model, and the rows of its embedding. */
interface ModelVocabulary {
  vocabulary: Vocabulary
  rows: number
}

const MAX_TOKENIZER_BYTES = 256 << 20

/** Throws ERR_VOCABULARY, ERR_TOKENIZER. */
export async function planVocabulary(
  config: MergeConfig,
  models: MergeModels,
  file: string,
): Promise<VocabularyPlan> {
  const read = [...models.values()].map(
    async (model) => [model.reference, await vocabularyOf(model)] as const,
  )
  const vocabularies = new Map(await Promise.all(read))
  const first = config.base_model ?? [...models.keys()][0]!
  const section = sectionOf(config)
  if (section) return bySection({ config, section, models, vocabularies, first, file })
  return withoutSection({ config, models, vocabularies, first, file })
}

interface Inputs {
  config: MergeConfig
  models: MergeModels
  vocabularies: ReadonlyMap<string, ModelVocabulary | undefined>
  /** Whose files the result gets unless told otherwise. */
  first: string
  file: string
}

async function bySection({
  config,
  section,
  models,
  vocabularies,
  first,
  file,
}: Inputs & { section: NonNullable<MergeConfig['tokenizer']> }): Promise<VocabularyPlan> {
  const owner =
    section.source === 'union' || section.source === 'base' ? first : withoutPrefix(section.source)
  const all = new Map([...models.values()].map((model) => [model.reference, needed(model, vocabularies)]))
  const { vocabulary, rows: ownRows } = all.get(owner)!
  const order = [first, ...[...models.keys()].filter((model) => model !== first)]
  const union =
    section.source === 'union' && (await unionTokenizer(order.map((model) => all.get(model)!.vocabulary)))
  const result = union ? union.vocabulary : vocabulary
  // mergekit leaves rows without a token out; they cost little to keep, and other tools count on them.
  const least = config.compat ? result.size : Math.max(result.size, ownRows)
  const multiple = section.pad_to_multiple_of ?? 1
  const num_rows = Math.ceil(least / multiple) * multiple
  const request = {
    ids: result.ids,
    num_rows,
    models: new Map([...all].map(([model, own]) => [model, rowsOf(own, result, config)])),
    merged: mergedOf(config),
    base: config.base_model,
    tokens: section.tokens,
    file,
  }
  const rows = await planRows(request)
  const plan = { owner, num_rows, warnings: [], ...(union && union.vocabulary !== vocabulary && { union }) }
  return isIdentity(rows, request) ? plan : { ...plan, rows }
}

/** mergekit knows tokens by their strings alone; we also as bytes, and tags apart from words. */
function rowsOf(
  { vocabulary, rows }: ModelVocabulary,
  result: Vocabulary,
  { compat }: MergeConfig,
): ModelRows {
  const { ids } = vocabulary
  return { ids, rows, find: (token) => (compat ? ids.get(token) : vocabulary.find(token, result)) }
}

async function withoutSection(inputs: Inputs): Promise<VocabularyPlan> {
  const { config, models, vocabularies, first } = inputs
  const rowsOfModel = ({ tensors }: MergeModel) => tensors.get(EMBEDDING)?.shape[0] ?? 0
  const rowCounts = [...models.values()].map(rowsOfModel)
  const num_rows = rowsOfModel(models.get(first)!)
  const known = [...vocabularies].flatMap(([model, own]) => (own ? [{ model, ...own }] : []))
  const equal = known.every(({ vocabulary }) => vocabulary.equals(known[0]!.vocabulary))
  if (equal && new Set(rowCounts).size === 1) return { owner: first, num_rows, warnings: [] }
  if (config.compat) return { owner: first, ...truncated(inputs, rowCounts) }
  if (known.length < models.size) throw unknownTokens(inputs)
  const largest = await superset(known, first)
  const plan = await bySection({ ...inputs, section: { source: largest ?? 'union' } })
  return largest === first ? plan : { ...plan, warnings: [chosenText(largest, first)] }
}

/** mergekit: methods with a base cut the others to its rows; all others take the rows that every model has. */
function truncated({ config, models, first }: Inputs, rowsOf: readonly number[]) {
  const base = config.base_model
  const hasOrigin = base !== undefined && MERGE_METHODS[config.merge_method]!.base !== 'none'
  const least = Math.min(...rowsOf)
  const num_rows = hasOrigin ? models.get(base)!.tensors.get(EMBEDDING)!.shape[0]! : least
  if (num_rows > least)
    throw new TongueforgeError(
      'ERR_VOCABULARY',
      `Expected no model with fewer rows than base_model, which has ${num_rows}, received one with ${least}`,
      { hint: 'mergekit fails here, too. Say whose tokens the result has: tokenizer: {source: union}.' },
    )
  const most = Math.max(...rowsOf)
  const numbers = Int32Array.from({ length: num_rows }, (_, row) => row)
  const maps = new Map([...models.keys()].map((model) => [model, numbers]))
  const what = `the vocabularies differ: of up to ${most} rows the result has the first ${num_rows}`
  return {
    num_rows,
    rows: { num_rows, maps, standIns: new Map() },
    warnings: [`${what}, as mergekit does it, and the tokenizer of ${first}`],
  }
}

type Known = readonly (ModelVocabulary & { model: string })[]

/** The model whose tokens include those of all others; of several that with the most rows, then the first. */
async function superset(known: Known, first: string): Promise<string | undefined> {
  const found: (typeof known)[number][] = []
  for (const own of known) if (await includesAll(own.vocabulary, known)) found.push(own)
  const most = [...found].sort(
    (a, b) => b.rows - a.rows || Number(b.model === first) - Number(a.model === first),
  )
  return most[0]?.model
}

async function includesAll(vocabulary: Vocabulary, known: Known): Promise<boolean> {
  let all = true
  for (const { vocabulary: other } of known)
    await inSteps(other.tokens.length, (from, to) => {
      const lacks = (token: string | undefined) =>
        token !== undefined && vocabulary.find(token, other) === undefined
      all &&= !other.tokens.slice(from, to).some(lacks)
    })
  return all
}

function chosenText(largest: string | undefined, first: string): string {
  const tokens =
    largest === undefined
      ? `the tokens of all models, as \`tokenizer: {source: union}\` has them`
      : `the tokenizer of ${largest}, whose tokens include those of all models`
  return `the vocabularies differ: the result has ${tokens}, and not those of ${first} alone, as \`tokenizer: {source: base}\` has them`
}

function unknownTokens({ models, vocabularies }: Inputs): TongueforgeError {
  const without = [...models.keys()].find((model) => vocabularies.get(model) === undefined)!
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected tokenizer.json in ${without}, as the models have embeddings of unequal size, found none`,
    {
      hint: 'Rows are matched by the text of tokens. Copy tokenizer.json of the original model.',
      details: { model: without },
    },
  )
}

async function vocabularyOf({ folder, tensors }: MergeModel): Promise<ModelVocabulary | undefined> {
  const file = join(folder.path, 'tokenizer.json')
  const json = await readTextFileIfPresent(file, { code: 'ERR_TOKENIZER', maxBytes: MAX_TOKENIZER_BYTES })
  if (json === undefined) return undefined
  return { vocabulary: await Vocabulary.of(json, file), rows: tensors.get(EMBEDDING)?.shape[0] ?? 0 }
}

function needed(model: MergeModel, vocabularies: Inputs['vocabularies']): ModelVocabulary {
  const found = vocabularies.get(model.reference)
  if (found) return found
  throw new TongueforgeError(
    'ERR_TOKENIZER',
    `${model.reference}: expected tokenizer.json, as the config has a tokenizer section, found none`,
    {
      hint: 'Copy tokenizer.json of the original model into the folder.',
      details: { model: model.reference },
    },
  )
}
