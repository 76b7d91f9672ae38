/** Configs from files or objects: strict YAML, dotted overrides, and schema errors that name the key and help. */
import { closest, distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import { readTextFile } from '../checkpoint/json_file'
import { TongueforgeError } from '../errors'
import { stat } from '../files'
import { keyProblem, lexicalProblem } from './yaml_limits'

// Loaded by the first config: it costs as much time as the rest of `require` together.
const yaml = (): typeof import('yaml') => require('yaml')

const MAX_CONFIG_BYTES = 1 << 20

/**
 * Reads a YAML file: UTF-8, at most 1 MB, no aliases, merge keys, directives or duplicate keys. Throws ERR_NOT_FOUND or
 * ERR_CONFIG.
 */
export async function readYaml(file: string): Promise<unknown> {
  const entry = await stat(file).catch(() => undefined)
  if (entry === undefined) {
    throw new TongueforgeError(
      'ERR_NOT_FOUND',
      `${file}: expected a config file, and there is nothing of that name`,
      {
        hint: 'Check the path; recipes/ of the package holds configs to start from.',
        details: { file },
      },
    )
  }
  if (!entry.isFile()) {
    throw configError(file, 'expected a config file, received a folder or device', {
      hint: 'Give the YAML file; recipes/ of the package holds configs to start from.',
    })
  }
  return parseYaml(await readTextFile(file, { code: 'ERR_CONFIG', maxBytes: MAX_CONFIG_BYTES }), file)
}

/** What a verb is given: a YAML file or an object, with overrides set; `file` is what errors call it. Throws as they do. */
export async function readGiven(
  source: string | object,
  overrides: readonly string[],
): Promise<{ file: string; raw: unknown }> {
  const file = typeof source === 'string' ? source : 'config'
  const raw = typeof source === 'string' ? await readYaml(source) : source
  return { file, raw: applyOverrides(raw, overrides) }
}

/** As readYaml, from text; `file` is only named in errors. */
export function parseYaml(text: string, file: string): unknown {
  const library = yaml()
  const forbidden = lexicalProblem(library, text)
  if (forbidden) throw configError(file, forbidden, { hint: PLAIN })
  const lineCounter = new library.LineCounter()
  // Keys are compared below: the library would compare each one with all before it.
  const options = { uniqueKeys: false, merge: false, version: '1.2', lineCounter } as const
  const document = library.parseDocument(text, options)
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem)
    throw configError(file, `not YAML: ${problem.message.split('\n')[0]!.replace(/:$/, '')}`, {
      hint: 'Look at that place and the line before it.',
    })
  const badKey = keyProblem(library, document, lineCounter)
  if (badKey) throw configError(file, badKey, { hint: PLAIN })
  return document.toJS({ maxAliasCount: 0 })
}

const PLAIN = 'A config is plain YAML: keys and values, each of them written out once.'

/** The text that `resolved.yaml` holds; with version 1.1, what its readers take for something else is quoted: no, on, 1_000. */
export function toYaml(config: unknown, { version = '1.2' }: { version?: '1.1' | '1.2' } = {}): string {
  return yaml().stringify(config, { aliasDuplicateObjects: false, version })
}

/** Sets `key.path=value` pairs; values are YAML scalars or flow collections. Returns a new object. Throws ERR_USAGE, ERR_CONFIG. */
export function applyOverrides(config: unknown, overrides: readonly string[]): unknown {
  if (!Array.isArray(overrides) || overrides.some((one) => typeof one !== 'string')) {
    throw new TongueforgeError(
      'ERR_USAGE',
      `overrides: expected a list of key.path=value, received ${shown(overrides)}`,
      { hint: "For example: ['optimizer.lr=1e-4']" },
    )
  }
  const result = copyOf(config) as Record<string, unknown>
  for (const override of overrides) {
    const cut = override.indexOf('=')
    if (cut < 1) {
      throw new TongueforgeError('ERR_USAGE', `Expected key.path=value, received '${override}'`, {
        hint: 'For example: optimizer.lr=1e-4',
      })
    }
    setPath(result, override.slice(0, cut).split('.'), parseYaml(override.slice(cut + 1), override), override)
  }
  return result
}

function copyOf(config: unknown): unknown {
  try {
    return structuredClone(config)
  } catch (cause) {
    throw configError(
      'config',
      `expected plain data, received what cannot be copied: ${(cause as Error).message}`,
    )
  }
}

function setPath(root: Record<string, unknown>, path: string[], value: unknown, override: string): void {
  let node: unknown = root
  for (const [depth, key] of path.entries()) {
    if (
      key === '__proto__' ||
      typeof node !== 'object' ||
      node === null ||
      (Array.isArray(node) && !isPlace(key, node))
    ) {
      throw configError(override, `${path.slice(0, depth).join('.') || 'the config'} has no key '${key}'`, {
        hint: 'A key is one of a table, or the number of an entry of a list, from 0.',
      })
    }
    const container = node as Record<string, unknown>
    if (depth === path.length - 1) container[key] = value
    else node = container[key] ??= {}
  }
}

/** Of an entry, or of one behind the last: what is set far behind it would leave a hole of any length. */
const isPlace = (key: string, list: readonly unknown[]) => /^\d+$/.test(key) && Number(key) <= list.length

/** Checks a config against its schema; unknown keys are refused with the nearest known one. Throws ERR_CONFIG. */
export function checkConfig<Schema extends z.ZodType>(
  schema: Schema,
  config: unknown,
  file: string,
): z.infer<Schema> {
  // Whatever shows or copies a value would end the stack.
  if (isDeeper(config, MAX_LEVELS))
    throw configError(file, `expected at most ${MAX_LEVELS} levels of nesting`)
  const result = schema.safeParse(config)
  if (result.success) {
    refusePrototypes(config, file)
    return result.data
  }
  const issue = innermost(result.error.issues[0]!)
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!
    throw configError(file, `${[...path, key].join('.')}: unknown key`, {
      hint: suggestion(key, knownKeys(schema, path, config)),
      key: [...path, key].join('.'),
    })
  }
  const value = path.reduce<unknown>(
    (node, key) => (node as Record<string, unknown> | undefined)?.[key],
    config,
  )
  const received = issue.code === 'invalid_key' ? path.at(-1) : value
  const key = path.join('.') || '(top level)'
  throw configError(file, `${key}: ${expectation(issue)}, received ${shown(received)}`, {
    hint: nearestOf(received, allowedWords(issue)),
    key,
  })
}

/** Of a value that may be of several kinds and is of one of them: what is wrong inside of that. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue
  const inside = issue.errors
    .map(([first]) => innermost(first!))
    .filter(({ path, code }) => path.length > 0 || code === 'unrecognized_keys')
  const [first] = inside
  return inside.length === 1 ? { ...first!, path: [...issue.path, ...first!.path] } : issue
}

/** The words that were expected, where an issue is about words; a list of objects that one key tells apart has some too. */
function allowedWords(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String)
  if (issue.code !== 'invalid_union') return []
  return 'options' in issue ? (issue.options ?? []).map(String) : issue.errors.flat().flatMap(allowedWords)
}

/** Ours, or the beginning of the schema library's sentence, which goes on with a type that we tell better. */
function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union' && issue.discriminator)
    return `expected ${allowedWords(issue).join(' | ')}`
  if (issue.code === 'invalid_key') return expectation(issue.issues[0]!)
  return issue.message
    .replace(/^Invalid input: (expected [^,]+)(, received .*)?$/, '$1')
    .replace(/^expected record$/, 'expected a table of names')
}

/** As JSON, with the numbers that JSON has not. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'number') return String(value)
  if (typeof value === 'bigint') return `${value}n`
  const json = JSON.stringify(value, (_key, part) => {
    if (typeof part === 'bigint') return `${part}n`
    return typeof part === 'number' && !Number.isFinite(part) ? String(part) : part
  })
  return json ?? `a ${typeof value}`
}

/** Of an object that is given as a config: a file has fewer (yaml_limits.ts). */
const MAX_LEVELS = 200

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !ArrayBuffer.isView(value) &&
  (levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1)))

/** Tables with names of the user's choice drop this one in silence. */
function refusePrototypes(node: unknown, file: string, path: readonly string[] = []): void {
  if (typeof node !== 'object' || node === null) return
  for (const [key, value] of Object.entries(node)) {
    const place = [...path, key]
    if (key === '__proto__')
      throw configError(file, `${place.join('.')}: unknown key`, { key: place.join('.') })
    refusePrototypes(value, file, place)
  }
}

/** ERR_CONFIG of a file, with the key where there is one. */
export function configError(
  file: string,
  problem: string,
  { hint, key }: { hint?: string | undefined; key?: string } = {},
) {
  return new TongueforgeError('ERR_CONFIG', `${file}: ${problem}`, {
    hint,
    details: { file, ...(key && { key }) },
  })
}

/** The same of one key, with what to do. */
export const keyError = (file: string, key: string, problem: string, hint?: string): TongueforgeError =>
  configError(file, `${key}: ${problem}`, { hint, key })

/** "Did you mean ...", else what is known. */
export function suggestion(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined
  return nearestOf(word, known) ?? `Known keys: ${known.join(', ')}.`
}

/** "Did you mean ...", where something near enough is known. */
function nearestOf(word: unknown, known: readonly string[]): string | undefined {
  if (typeof word !== 'string' || known.length === 0) return undefined
  const nearest = closest(word, [...known])
  return distance(word, nearest) <= Math.max(2, word.length / 3) ? `Did you mean '${nearest}'?` : undefined
}

// Walks the schema along the path of an issue, through wrappers and lists, to the object whose key was wrong.
function knownKeys(schema: z.ZodType, path: readonly string[], config: unknown): string[] {
  let node: unknown = schema
  let value = config
  for (const key of path) {
    const inner = unwrap(node, value)
    node = inner.shape?.[key] ?? inner.element
    value = (value as Record<string, unknown> | undefined)?.[key]
  }
  return Object.keys(unwrap(node, value).shape ?? {})
}

interface SchemaNode {
  shape?: Record<string, unknown>
  element?: unknown
  def?: { innerType?: unknown; in?: unknown; discriminator?: string; options?: SchemaNode[] }
}

/** The object or list inside; of objects that one key tells apart the one that the value is. */
function unwrap(node: unknown, value: unknown): SchemaNode {
  let current = node as SchemaNode | undefined
  while (current?.def && (current.def.innerType || current.def.in)) {
    current = (current.def.innerType ?? current.def.in) as typeof current
  }
  const { discriminator: key, options } = current?.def ?? {}
  if (options === undefined) return current ?? {}
  if (key === undefined) return options.map((one) => unwrap(one, value)).find(({ shape }) => shape) ?? {}
  const word = (value as Record<string, unknown> | undefined)?.[key]
  return (
    options.find(({ shape }) => (shape?.[key] as z.ZodLiteral | undefined)?.values.has(word as string)) ?? {}
  )
}
