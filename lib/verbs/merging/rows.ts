/**
 * Rows of embedding and head of the result, by the text of tokens: for each the row that every model has for its token,
 * and whose rows stand in for a model that has none. A token that a model lacks takes the row of the base, else of the
 * only model that has it, else the mean of those that do; so the delta of such a token is zero where the base knows it.
 */
import type { TokenizerSection, TokenSource } from '../../config/merge'
import { TongueforgeError } from '../../errors'
import { inSteps } from '../../text/pause'

/** The tokens of a model, and how many rows its embedding has: more or less than tokens. */
export interface ModelRows {
  /** By the text that its own tokenizer writes. */
  ids: ReadonlyMap<string, number>
  /** The id of a token as the tokenizer of the result writes it. */
  find: (token: string) => number | undefined
  rows: number
}

/** A row of a model, or all of them. */
export interface Owner {
  model: string
  /** ALL_ROWS: their mean. */
  row: number
}

export const ALL_ROWS = -1

export interface RowPlan {
  num_rows: number
  /** By model: the row it has for each row of the result, -1 where it has none. */
  maps: ReadonlyMap<string, Int32Array>
  /** Of rows that at least one model lacks: whose mean stands in; an empty list is a row of zeros. */
  standIns: ReadonlyMap<number, readonly Owner[]>
}

export interface RowRequest {
  /** The vocabulary of the result. */
  ids: ReadonlyMap<string, number>
  num_rows: number
  models: ReadonlyMap<string, ModelRows>
  /** Those that are merged; others only lend rows, where no merged one has them or `tokens` says so. */
  merged: readonly string[]
  /** Whose rows stand in first. */
  base: string | undefined
  tokens: TokenizerSection['tokens']
  /** Named in errors. */
  file: string
}

/** Throws ERR_VOCABULARY for tokens that no model has a row for, and for rows that `tokens` asks for in vain. */
export async function planRows(request: RowRequest): Promise<RowPlan> {
  const { ids, num_rows, models, merged, base, tokens = {}, file } = request
  checkTokens(tokens, ids, file)
  const textOf = new Array<string | undefined>(num_rows)
  for (const [token, id] of ids) textOf[id] = token
  const maps = new Map<string, Int32Array>()
  for (const [model, rows] of models) maps.set(model, await mapOf(rows, textOf))
  const standIns = new Map<number, readonly Owner[]>()
  const homeless: string[] = []
  const plan = (row: number) => {
    const token = textOf[row]
    const asked = token !== undefined && Object.hasOwn(tokens, token) ? tokens[token] : undefined
    const owners = ownersOf(row, maps, { merged, base })
    if (asked?.force) for (const map of maps.values()) map[row] = -1
    if (merged.every((model) => maps.get(model)![row]! >= 0)) return
    if (asked?.source !== undefined) return standIns.set(row, askedFor(asked.source, token!, models, file))
    if (owners.length === 0 && token !== undefined) homeless.push(token)
    standIns.set(row, owners.length > 0 ? owners : meansOf(base === undefined ? merged : [base]))
  }
  await inSteps(num_rows, (from, to) => {
    for (let row = from; row < to; row++) plan(row)
  })
  if (homeless.length > 0) throw inNoModel(homeless)
  return { num_rows, maps, standIns }
}

/** Rows without a token go by their number, where the model has no token there either. */
async function mapOf(
  { ids, find, rows }: ModelRows,
  textOf: readonly (string | undefined)[],
): Promise<Int32Array> {
  const taken = new Set(ids.values())
  const map = new Int32Array(textOf.length)
  await inSteps(textOf.length, (from, to) => {
    for (let row = from; row < to; row++) {
      const token = textOf[row]
      const own = token === undefined ? (taken.has(row) ? undefined : row) : find(token)
      map[row] = own !== undefined && own < rows ? own : -1
    }
  })
  return map
}

function ownersOf(
  row: number,
  maps: ReadonlyMap<string, Int32Array>,
  { merged, base }: { merged: readonly string[]; base: string | undefined },
): Owner[] {
  const owners = [...maps].flatMap(([model, map]) => (map[row]! < 0 ? [] : [{ model, row: map[row]! }]))
  const first = owners.find(({ model }) => model === base)
  if (first) return [first]
  const taking = owners.filter(({ model }) => merged.includes(model))
  return taking.length > 0 ? taking : owners.slice(0, 1)
}

/** A row that means nothing: as a row of a head, the mean gives the mean of all logits, so it is never the likeliest. */
const meansOf = (models: readonly string[]) => models.map((model) => ({ model, row: ALL_ROWS }))

function askedFor(
  source: TokenSource,
  token: string,
  models: ReadonlyMap<string, ModelRows>,
  file: string,
): Owner[] {
  if (typeof source === 'object' && source.kind === 'zero') return []
  const model = typeof source === 'string' ? source : source.model
  const { ids, find, rows } = models.get(model)!
  const named = typeof source === 'object' ? source.token : undefined
  const wanted = named ?? token
  const own = named === undefined ? find(token) : ids.get(named)
  const row = typeof source === 'object' ? (source.token_id ?? own) : own
  if (row !== undefined && row < rows) return [{ model, row }]
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `${file}: tokenizer.tokens.${token}: expected a row of ${model}, which has ${rows} rows and none for ` +
      `${row === undefined ? JSON.stringify(wanted) : `token_id ${row}`}`,
    { hint: 'Name a token that this model has.', details: { file, key: `tokenizer.tokens.${token}`, model } },
  )
}

function checkTokens(
  tokens: NonNullable<TokenizerSection['tokens']>,
  ids: ReadonlyMap<string, number>,
  file: string,
) {
  const unknown = Object.keys(tokens).find((token) => !ids.has(token))
  if (unknown === undefined) return
  throw new TongueforgeError(
    'ERR_VOCABULARY',
    `${file}: tokenizer.tokens: expected tokens of the result, received ${JSON.stringify(unknown)}`,
    {
      hint: 'Tokens come from the models: add a new one to a model first, with `tongueforge vocab extend`.',
      details: { file, key: 'tokenizer.tokens', token: unknown },
    },
  )
}

function inNoModel(tokens: readonly string[]): TongueforgeError {
  const shown = tokens.slice(0, 5).map((token) => JSON.stringify(token))
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected a row for every token of the result; no model has one for ${tokens.length} of them: ` +
      `${shown.join(', ')}${tokens.length > 5 ? ', ...' : ''}`,
    {
      hint: 'Take the tokenizer of one of the models, or say in tokenizer.tokens where their rows come from.',
      details: { tokens: tokens.slice(0, 20) },
    },
  )
}

/** Whether every merged model has every row under its own number: nothing has to be moved. */
export function isIdentity({ maps, num_rows }: RowPlan, { models, merged }: RowRequest): boolean {
  return merged.every(
    (model) => models.get(model)!.rows === num_rows && maps.get(model)!.every((own, row) => own === row),
  )
}
