/** What the readers of config.json have in common, whatever the model. */
import { z } from 'zod'
import { TongueforgeError } from '../errors'
import { describeValue, type JsonObject } from './json_file'

export const DTYPES = ['float32', 'bfloat16', 'float16'] as const
export type Dtype = (typeof DTYPES)[number]

export const integer = (min: number, max: number) => {
  const error = `a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}
export const flag = z.boolean({ error: 'true or false' })
const share = { error: 'a number from 0 to 1' }
export const epsilon = z.number(share).min(0, share).max(1, share)

/** What the weights are stored in; releases have named the key differently. */
export const dtypeKeys = {
  dtype: z.string({ error: 'the name of a dtype' }).nullish(),
  torch_dtype: z.string({ error: 'the name of a dtype' }).nullish(),
}

export type RefuseKey = (key: string, expected: string, received: unknown) => never

/** Throws ERR_MODEL_CONFIG for a key of `file`. */
export const refusing =
  (file: string): RefuseKey =>
  (key, expected, received) => {
    throw configError(file, key, expected, received)
  }

/** Parses by a schema whose errors say what was expected. */
export function checkedConfig<Schema extends z.ZodType>(
  schema: Schema,
  content: JsonObject,
  file: string,
): z.infer<Schema> {
  const result = schema.safeParse(content)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const received = issue.path.reduce<unknown>(
    (value, key) => (value as JsonObject | undefined)?.[key as string],
    content,
  )
  throw configError(file, issue.path.join('.') || '(top level)', issue.message, received)
}

/** For model_type `expected` ends in the list of those that are known. */
function configError(file: string, key: string, expected: string, received: unknown): TongueforgeError {
  const known = /\((.*)\)$/.exec(expected)?.[1]
  return new TongueforgeError(
    'ERR_MODEL_CONFIG',
    `${file}: ${key}: expected ${expected}, received ${describeValue(received)}`,
    {
      hint:
        key === 'model_type'
          ? `Use a model whose config.json says model_type ${known}.`
          : 'Compare config.json with the one that the model was published with.',
      details: { file, key, expected, received },
    },
  )
}

export function storedDtype(
  config: { dtype?: string | null | undefined; torch_dtype?: string | null | undefined },
  refuse: RefuseKey,
): Dtype | null {
  const key = config.dtype != null ? 'dtype' : 'torch_dtype'
  const name = config[key]
  if (name == null || name === 'auto') return null
  const known = DTYPES.find((dtype) => dtype === name.replace(/^torch\./, ''))
  return known ?? refuse(key, `one of ${DTYPES.join(', ')}`, name)
}
