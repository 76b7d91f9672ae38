// Options that several commands share, and the readers of numbers. What a value may be beyond its kind is checked by
// the library, which names the same thing in the same words.
import { DTYPES, type Dtype } from '../checkpoint/config_checks'
import { parseYaml } from '../config/parse'
import { TongueforgeError } from '../errors'
import type { Source } from '../text/documents'
import type { Option } from './verb'

/** ERR_USAGE: the command line itself is wrong. */
export function usageError(
  message: string,
  hint = 'add --help to see what the command takes',
): TongueforgeError {
  return new TongueforgeError('ERR_USAGE', message, { hint })
}

export function number(text: string, flag: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  throw usageError(`${flag}: expected a number, received '${text}'`)
}

export function integer(text: string, flag: string): number {
  const value = number(text, flag)
  if (Number.isSafeInteger(value)) return value
  throw usageError(`${flag}: expected a whole number, received '${text}'`)
}

/** Comma-separated whole numbers: `1,2,3`. */
export function integers(text: string, flag: string): number[] {
  return text.split(',').map((part) => integer(part, flag))
}

/** A flag that may stand several times: the values so far and this one. */
export function repeated(text: string, _flag: string, previous: unknown): string[] {
  return [...((previous as string[] | undefined) ?? []), text]
}

export const JSON_OPTION: Option = { flags: '--json', description: 'print one JSON document instead of text' }

/** A reader of one of some words. */
export function oneOf<Word extends string>(...words: Word[]) {
  return (text: string, flag: string): Word => {
    const word = words.find((known) => known === text)
    if (word) return word
    throw usageError(`${flag}: expected ${words.join(', ')}, received '${text}'`)
  }
}

export interface ModelValues {
  adapter?: string
  device?: string
  dtype?: Dtype
  threads?: number
  sparse?: 'auto' | 'never'
  quantized?: 'dense' | 'auto' | 'packed'
}

export const SPARSE_OPTION: Option = {
  flags: '--sparse <how>',
  description: 'auto: leave zeros out of the products of pruned layers that get faster by it; default: never',
  parse: oneOf('auto', 'never'),
}

const QUANTIZED_OPTION: Option = {
  flags: '--quantized <how>',
  description:
    'of a quantised model in bfloat16, auto: multiply whole numbers in the layers that get faster by it; packed: in all, for less memory; default: dense',
  parse: oneOf('dense', 'auto', 'packed'),
}

export const THREADS_OPTION: Option = {
  flags: '--threads <n>',
  description: "threads of tensor operations; default: libtorch's choice",
  parse: integer,
}

/** Of whatever loads a model. */
export const DEVICE_OPTIONS: Option[] = [
  { flags: '--device <device>', description: 'cpu (default), cuda or cuda:N: a GPU, in a build for CUDA' },
  {
    flags: '--dtype <dtype>',
    description: 'float32 (default), bfloat16 or float16',
    parse: oneOf(...DTYPES),
  },
  THREADS_OPTION,
]

/** Of whatever loads a model without an adapter. */
export const PLAIN_MODEL_OPTIONS: Option[] = [...DEVICE_OPTIONS, SPARSE_OPTION, QUANTIZED_OPTION]

export const MODEL_OPTIONS: Option[] = [
  { flags: '--adapter <folder>', description: 'a LoRA adapter to put on the model, as PEFT writes it' },
  ...PLAIN_MODEL_OPTIONS,
]

export function modelOptions(values: ModelValues): ModelValues {
  return pick(values, ['adapter', 'device', 'dtype', 'threads', 'sparse', 'quantized'])
}

export interface SamplingValues {
  maxNewTokens?: number
  temperature?: number
  topK?: number
  topP?: number
  minP?: number
  repetitionPenalty?: number
  stop?: string[]
  seed?: number
}

export const SAMPLING_OPTIONS: Option[] = [
  {
    flags: '--max-new-tokens <n>',
    description: 'the longest answer, in tokens; default: 256',
    parse: integer,
  },
  {
    flags: '--temperature <t>',
    description: 'sample at this temperature; default: 0, greedy',
    parse: number,
  },
  { flags: '--top-k <k>', description: 'sample from the k likeliest tokens', parse: integer },
  { flags: '--top-p <p>', description: 'sample from the likeliest tokens that make up p', parse: number },
  { flags: '--min-p <p>', description: 'drop tokens less likely than p times the likeliest', parse: number },
  {
    flags: '--repetition-penalty <r>',
    description: 'above 1: make tokens already seen less likely',
    parse: number,
  },
  { flags: '--stop <text>', description: 'end the answer before this text (repeatable)', parse: repeated },
  { flags: '--seed <n>', description: 'same seed, same sample; default: 0', parse: integer },
]

export function samplingOptions(values: SamplingValues): SamplingValues {
  return pick(values, [
    'maxNewTokens',
    'temperature',
    'topK',
    'topP',
    'minP',
    'repetitionPenalty',
    'stop',
    'seed',
  ])
}

/** Data of a flag that may stand several times: paths, or sources as in a config. Throws ERR_USAGE, ERR_CONFIG. */
export function sources(given: readonly string[] | undefined, flag: string): (string | Source)[] {
  if (given === undefined) throw usageError(`expected ${flag}, received none`)
  return given.map((text) => (text.startsWith('{') ? (parseYaml(text, flag) as Source) : text))
}

/** The named keys of an object, those that are there. */
export function pick<T extends object, K extends keyof T>(values: T, keys: K[]): Pick<T, K> {
  return Object.fromEntries(keys.filter((key) => key in values).map((key) => [key, values[key]])) as Pick<
    T,
    K
  >
}

/** Throws ERR_USAGE unless exactly one of the options was given. */
export function exactlyOne(values: Record<string, unknown>, flags: Record<string, string>): void {
  const given = Object.keys(flags).filter((key) => values[key] !== undefined)
  if (given.length === 1) return
  const names = Object.values(flags).join(' and ')
  const received = given.length === 0 ? 'none' : given.map((key) => flags[key]).join(' and ')
  throw usageError(`expected one of ${names}, received ${received}`)
}
