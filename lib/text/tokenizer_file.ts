/**
 * tokenizer.json from somebody else: what the library would run into and take the process with it, or grow without end,
 * is found in the text first. The library is Rust without a way back: a panic in it ends Node.
 */
import { describeValue, type JsonObject } from '../checkpoint/json_file'
import { charsmapProblem } from './charsmap'
import { patternProblem } from './pattern_cost'

/** Above any vocabulary, and config.json may not have more rows either; a single such id would make tables of gigabytes. */
const MAX_ID = 2 ** 24 - 1
/** Tokens that a post-processor puts around a text. */
const MAX_AROUND = 1000
/** Bytes that normalizers may make of one, all of them together. */
const MAX_GROWTH = 256
/** Parts of a normalizer, a pre-tokenizer...: those in Sequences counted. */
const MAX_PARTS = 200

/** Why a tokenizer is not loaded: key, expected, received; nothing where it may be. */
export function tokenizerProblem(content: unknown): string | undefined {
  try {
    check(content as Json)
    return undefined
  } catch (error) {
    if (error instanceof Unfit) return error.message
    throw error
  }
}

class Unfit extends Error {}
type Json = JsonObject

function refuse(key: string, expected: string, received: unknown): never {
  throw new Unfit(`${key}: expected ${expected}, received ${describeValue(received)}`)
}

function check(content: Json): void {
  if (!isTable(content)) refuse('(top level)', 'a table', content)
  checkModel(content.model)
  checkAdded(content.added_tokens)
  const growth = partsOf(content.normalizer, 'normalizer', 'normalizers').reduce(
    (product, { key, part }) => product * checkPart(key, part),
    1,
  )
  if (growth > MAX_GROWTH)
    refuse('normalizer', `replacements that make at most ${MAX_GROWTH} bytes of one`, Math.round(growth))
  for (const { key, part } of partsOf(content.pre_tokenizer, 'pre_tokenizer', 'pretokenizers'))
    checkPart(key, part)
  for (const { key, part } of partsOf(content.post_processor, 'post_processor', 'processors'))
    checkAround(key, part)
  const decoders = partsOf(content.decoder, 'decoder', 'decoders')
  const decoded = decoders.reduce((product, { key, part }) => product * checkPart(key, part), 1)
  if (decoded > MAX_GROWTH)
    refuse('decoder', `replacements that make at most ${MAX_GROWTH} bytes of one`, Math.round(decoded))
}

const isTable = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isId = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_ID

function checkModel(model: unknown): void {
  if (!isTable(model)) refuse('model', 'a table', model)
  const { vocab, merges, continuing_subword_prefix: prefix } = model
  if (isTable(vocab))
    for (const [token, id] of Object.entries(vocab))
      if (!isId(id)) refuse(`model.vocab.${shownToken(token)}`, `an id from 0 to ${MAX_ID}`, id)
  if (typeof prefix !== 'string' || prefix === '' || !Array.isArray(merges)) return
  for (const [i, merge] of merges.entries()) {
    const right: unknown = Array.isArray(merge) ? merge[1] : String(merge).split(' ')[1]
    if (typeof right === 'string' && !right.startsWith(prefix))
      refuse(
        `model.merges.${i}`,
        `a second part that begins with continuing_subword_prefix ${JSON.stringify(prefix)}`,
        merge,
      )
  }
}

const shownToken = (token: string) => JSON.stringify(token.slice(0, 40))

function checkAdded(added: unknown): void {
  if (!Array.isArray(added)) return
  for (const [i, token] of added.entries()) {
    if (isTable(token) && !isId(token.id))
      refuse(`added_tokens.${i}.id`, `an id from 0 to ${MAX_ID}`, token.id)
  }
}

interface Part {
  key: string
  part: Json
}

/** The parts of a Sequence, and of those within it; itself where it is none. */
function partsOf(value: unknown, key: string, list: string): Part[] {
  const parts: Part[] = []
  const open: Part[] = isTable(value) ? [{ key, part: value }] : []
  for (let one = open.shift(); one !== undefined; one = open.shift()) {
    const inner = one.part.type === 'Sequence' ? one.part[list] : undefined
    if (Array.isArray(inner)) {
      const { key: outer } = one
      open.unshift(
        ...inner.flatMap((part, i) => (isTable(part) ? [{ key: `${outer}.${list}.${i}`, part }] : [])),
      )
    } else parts.push(one)
    if (parts.length + open.length > MAX_PARTS)
      refuse(key, `at most ${MAX_PARTS} parts`, parts.length + open.length)
  }
  return parts
}

/** Gives how many bytes it may make of one. */
function checkPart(key: string, part: Json): number {
  const { type, pattern, content } = part
  if (type === 'FixedLength' && !(Number.isInteger(part.length) && (part.length as number) > 0))
    refuse(`${key}.length`, 'a number from 1', part.length)
  if (type === 'Precompiled') {
    const problem = charsmapProblem(part.precompiled_charsmap)
    if (problem)
      throw new Unfit(
        `${key}.precompiled_charsmap: expected a table of SentencePiece, received one that ${problem}`,
      )
  }
  const regex = isTable(pattern) ? pattern.Regex : undefined
  if (typeof regex === 'string') {
    const problem = patternProblem(regex)
    if (problem)
      throw new Unfit(
        `${key}.pattern: expected a regular expression of bounded cost, received one that ${problem}`,
      )
  }
  if (type !== 'Replace' || typeof content !== 'string') return 1
  const text = isTable(pattern) && typeof pattern.String === 'string' ? pattern.String : ''
  const bytes = Buffer.byteLength(content)
  // What a regular expression matches may be empty, as many times as there are characters.
  return text === '' ? 1 + bytes : Math.max(1, bytes / Buffer.byteLength(text))
}

/** Tokens around a text: those that a template names are there, and they are few. */
function checkAround(key: string, part: Json): void {
  const { type, special_tokens: table } = part
  if (type === 'BertProcessing' || type === 'RobertaProcessing') {
    for (const name of ['sep', 'cls']) {
      const pair = part[name]
      if (Array.isArray(pair) && !isId(pair[1]))
        refuse(`${key}.${name}`, `an id from 0 to ${MAX_ID}`, pair[1])
    }
  }
  if (type !== 'TemplateProcessing') return
  const known = new Map(Object.entries(isTable(table) ? table : {}))
  for (const [name, token] of known) {
    const ids = isTable(token) ? token.ids : undefined
    if (Array.isArray(ids) && !ids.every(isId))
      refuse(`${key}.special_tokens.${shownToken(name)}.ids`, `ids from 0 to ${MAX_ID}`, ids)
  }
  for (const name of ['single', 'pair']) checkTemplate(`${key}.${name}`, part[name], known)
}

function checkTemplate(key: string, template: unknown, known: ReadonlyMap<string, unknown>): void {
  if (!Array.isArray(template)) return
  let around = 0
  for (const piece of template) {
    const special = isTable(piece) ? piece.SpecialToken : undefined
    if (!isTable(special)) continue
    const token = known.get(String(special.id))
    if (token === undefined) refuse(key, 'tokens that special_tokens has', special.id)
    around += isTable(token) && Array.isArray(token.ids) ? token.ids.length : 1
    if (around > MAX_AROUND) refuse(key, `at most ${MAX_AROUND} tokens around a text`, around)
  }
  if (template.length > MAX_AROUND) refuse(key, `at most ${MAX_AROUND} parts`, template.length)
}
