import type { JsonObject } from './json_file'

/** The key of config.json that says the dtype: `torch_dtype`, but where the newer name stands alone. */
export const dtypeKey = (config: JsonObject): 'dtype' | 'torch_dtype' =>
  'dtype' in config && !('torch_dtype' in config) ? 'dtype' : 'torch_dtype'

const DTYPES: Record<string, string> = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' }

/** The type that most tensors have. */
export function commonDtype(tensors: readonly { dtype: string }[]): string {
  const counts = new Map<string, number>()
  for (const { dtype } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + 1)
  const [common] = [...counts].sort((a, b) => b[1] - a[1])
  return common![0]
}

/** Its name in a config; undefined of one that no config has. */
export const nameOfDtype = (tensors: readonly { dtype: string }[]): string | undefined =>
  DTYPES[commonDtype(tensors)]

/** What a config says of these weights: the type that most have, under the keys that it has for it. */
export function dtypeKeys(config: JsonObject, tensors: readonly { dtype: string }[]): JsonObject {
  const name = nameOfDtype(tensors)
  if (name === undefined) return {}
  const keys = ['dtype', 'torch_dtype'].filter((key) => key in config)
  return Object.fromEntries((keys.length > 0 ? keys : ['dtype']).map((key) => [key, name]))
}
