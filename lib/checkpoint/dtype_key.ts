import type { JsonObject } from './json_file'

/** The key of config.json that says the dtype: `torch_dtype`, but where the newer name stands alone. */
export const dtypeKey = (config: JsonObject): 'dtype' | 'torch_dtype' =>
  'dtype' in config && !('torch_dtype' in config) ? 'dtype' : 'torch_dtype'
