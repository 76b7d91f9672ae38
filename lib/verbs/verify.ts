/** Whether a model is what its inputs and its config make: their hashes, and chunks of its weights made again. */
import { join } from 'node:path'
import { openModelFolder } from '../checkpoint/model_folder'
import { readProvenance } from '../checkpoint/provenance'
import { checkOptions, type Kinds, LISTENERS, numberOption, pathOption } from '../config/call_options'
import { readYaml } from '../config/parse'
import type { ByteProgress, StreamCheck } from '../native'
import { VERSION } from '../version'
import { type InputState, inputStates } from './verifying/inputs'
import { CHECKS } from './verifying/methods'

/** How much of a result is made again, to compare it. */
export interface VerifyOptions {
  /** Chunks of up to 2 MB that are made again, drawn at random; default: 64. Infinity: all. */
  chunks?: number | undefined
  /** Same seed, same chunks; default: 0. */
  seed?: number | undefined
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

const OPTIONS: Kinds<VerifyOptions> = { ...LISTENERS, chunks: 'any', seed: 'any' }

/** Whether a result is what its record says. */
export interface Verification extends Partial<StreamCheck> {
  /** Every input is the same, and every chunk that was made again too. */
  ok: boolean
  /** What made the model. */
  verb: string
  /** Of each file whether it is the same. */
  inputs: InputState[]
  /** What was not looked at, and why. */
  notes: string[]
}

const ALL = 2 ** 52

/**
 * Hashes the inputs that provenance.json names, and makes chunks of the weights again as resolved.yaml says. Throws
 * ERR_NOT_FOUND for a folder without provenance.json, ERR_CONFIG, and what opening the inputs throws.
 */
export async function verify(folder: string, options: VerifyOptions = {}): Promise<Verification> {
  checkOptions('verify', options, OPTIONS)
  pathOption('verify: folder', folder)
  const { chunks = 64, seed = 0, signal, onProgress } = options
  numberOption('verify: chunks', chunks, { least: 1, most: Number.POSITIVE_INFINITY, whole: false })
  numberOption('verify: seed', seed, { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true })
  const model = await openModelFolder(folder)
  const { verb, inputs: records, tool_version } = await readProvenance(model.path)
  const notes: string[] = []
  if (tool_version !== VERSION) notes.push(`made by version ${tool_version}, checked by ${VERSION}`)
  const inputs = await inputStates(records, signal)
  const same = inputs.every(({ state }) => state === 'same')
  const check = CHECKS[verb]
  if (!check)
    notes.push(`weights that ${verb} made cannot be made again in parts: only the inputs were looked at`)
  else if (!same) notes.push('the weights were not looked at: inputs have changed')
  if (!check || !same) return { ok: same, verb, inputs, notes }

  const { verb: _, ...config } = (await readYaml(join(model.path, 'resolved.yaml'))) as Record<
    string,
    unknown
  >
  const what = { folder: model.path, chunks: Math.min(chunks, ALL), seed }
  const result = await check(config, what, { signal, onProgress })
  return { ok: result.mismatches.length === 0, verb, inputs, notes, ...result }
}
