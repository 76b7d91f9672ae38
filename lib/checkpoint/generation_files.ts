import { join } from 'node:path'
import { TongueforgeError } from '../errors'
import { describeValue, type JsonObject, readJsonObjectIfPresent } from './json_file'

/** What generation_config.json and config.json say about the tokens that begin, end and fill a text. */
export interface GenerationFiles {
  /** Ids that end a generation, of both files, ascending. */
  eosTokenIds: number[]
  bosTokenId: number | undefined
  padTokenId: number | undefined
  /** generation_config.json as it is; empty where there is none. */
  config: JsonObject
}

/** Reads generation_config.json, with the same keys of config.json behind it. Throws ERR_MODEL_CONFIG. */
export async function readGenerationFiles(folder: string, modelConfig: JsonObject): Promise<GenerationFiles> {
  const file = join(folder, 'generation_config.json')
  const config = (await readJsonObjectIfPresent(file, { code: 'ERR_MODEL_CONFIG' })) ?? {}
  const sources: [string, JsonObject][] = [
    [file, config],
    [join(folder, 'config.json'), modelConfig],
  ]
  const ids = (key: string) => sources.map(([name, table]) => tokenIds(table[key], name, key))
  return {
    eosTokenIds: [...new Set(ids('eos_token_id').flat())].sort((a, b) => a - b),
    bosTokenId: ids('bos_token_id').flat()[0],
    padTokenId: ids('pad_token_id').flat()[0],
    config,
  }
}

function tokenIds(value: unknown, file: string, key: string): number[] {
  if (value == null) return []
  const ids = Array.isArray(value) ? value : [value]
  if (ids.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 31)) return ids
  // Some published files write -1 for "no such token".
  if (ids.length === 1 && ids[0] === -1) return []
  throw new TongueforgeError(
    'ERR_MODEL_CONFIG',
    `${file}: ${key}: expected a token id or a list of them, received ${describeValue(value)}`,
    { hint: 'Write the id of the token, a whole number from 0.', details: { file, key, received: value } },
  )
}
