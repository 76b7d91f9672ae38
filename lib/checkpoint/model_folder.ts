import { join, resolve } from 'node:path'
import { TongueforgeError } from '../errors'
import { readdir, stat } from '../files'
import { type GenerationFiles, readGenerationFiles } from './generation_files'
import { ioError, type JsonObject, readJsonObject, readJsonObjectIfPresent } from './json_file'
import { mayBeCarried } from './links'
import { additionalTemplates, readTokenizerFiles, type TokenizerFiles } from './tokenizer_files'

/** A model folder on disk, its small files read; weights are native's business. */
export interface ModelFolder {
  /** Absolute path of the folder with config.json: the one given, or `model/` of the run folder given. */
  path: string
  /** config.json as it is; `decoderSpec` makes a checked description of it. */
  config: JsonObject
  /** Path of config.json. */
  configFile: string
  /** What says how text is generated. */
  generation: GenerationFiles
  /** What says how text becomes tokens. */
  tokenizer: TokenizerFiles
  /**
   * Files that a new folder made from this one takes over, as paths relative to it, sorted: all but weights, their
   * index, what we write about a run ourselves, hidden files, and those of `leftOut`.
   */
  auxiliaryFiles: string[]
  /** Links to files elsewhere that a new folder does not take over (see links.ts). */
  leftOut?: string[]
}

/**
 * Opens a model folder, or a run folder with the result in `model/`.
 * Throws ERR_NOT_FOUND that says what is missing and what to do, ERR_MODEL_CONFIG or ERR_TOKENIZER for bad content.
 */
export async function openModelFolder(given: string): Promise<ModelFolder> {
  const path = await locate(given)
  return readSmallFiles(path, await readJsonObject(join(path, 'config.json'), { code: 'ERR_MODEL_CONFIG' }))
}

/** Opens a folder that holds a tokenizer and its small files, but need not hold a model: `config` may be empty. */
export async function openTokenizerFolder(given: string): Promise<ModelFolder> {
  const path = resolve(given)
  if (!(await isDirectory(path))) throw await missingFolder(given, path)
  const config = await readJsonObjectIfPresent(join(path, 'config.json'), { code: 'ERR_MODEL_CONFIG' })
  return readSmallFiles(path, config ?? {})
}

async function readSmallFiles(path: string, config: JsonObject): Promise<ModelFolder> {
  return {
    path,
    config,
    configFile: join(path, 'config.json'),
    generation: await readGenerationFiles(path, config),
    tokenizer: await readTokenizerFiles(path),
    ...(await auxiliaryFiles(path)),
  }
}

const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/

async function locate(given: string): Promise<string> {
  const folder = resolve(given)
  if (!(await isDirectory(folder))) throw await missingFolder(given, folder)
  for (const candidate of [folder, join(folder, 'model')]) {
    if (await isFile(join(candidate, 'config.json'))) return candidate
  }
  throw await missingConfig(given, folder)
}

async function missingFolder(given: string, folder: string): Promise<TongueforgeError> {
  const details = { path: folder }
  if (await isFile(folder)) {
    return new TongueforgeError('ERR_NOT_FOUND', `${given}: expected a model folder, received a file`, {
      hint: 'Give the folder that holds config.json and *.safetensors.',
      details,
    })
  }
  const hint = HUB_ID.test(given)
    ? `If this is a model of the Hugging Face hub, download it first: hf download ${given} --local-dir ${given.split('/')[1]}`
    : 'Check the path.'
  return new TongueforgeError(
    'ERR_NOT_FOUND',
    `${given}: expected a model folder, and there is nothing of that name`,
    {
      hint,
      details,
    },
  )
}

async function missingConfig(given: string, folder: string): Promise<TongueforgeError> {
  const names = (await readdir(folder)).sort()
  const found =
    names.length === 0 ? 'nothing' : names.slice(0, 8).join(', ') + (names.length > 8 ? ', ...' : '')
  const hint = names.includes('checkpoints')
    ? 'This run has not finished: go on with `tongueforge train CONFIG.yaml --resume`, then its model/ appears.'
    : 'Give the folder of the model itself. For a model of the Hugging Face hub: hf download ORG/NAME --local-dir NAME'
  return new TongueforgeError(
    'ERR_NOT_FOUND',
    `${given}: expected config.json in a model folder, found ${found}`,
    {
      hint,
      details: { path: folder, found: names.slice(0, 100) },
    },
  )
}

/** Whether a folder holds weights of any format, whole or in part. */
export async function hasWeights(folder: string): Promise<boolean> {
  return (await readdir(folder)).some((name) => WEIGHTS.test(name))
}

const WEIGHTS = /\.(safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf|onnx|onnx_data|ot|npz)$|\.index\.json$/
/** What a verb of ours writes about its own run: it does not describe a model made from the result. */
const OWN_FILES = new Set(['report.json', 'resolved.yaml', 'provenance.json', 'metrics.jsonl'])

async function auxiliaryFiles(
  folder: string,
): Promise<Required<Pick<ModelFolder, 'auxiliaryFiles' | 'leftOut'>>> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    throw ioError(folder, error)
  })
  const files: string[] = []
  for (const { name } of entries) {
    if (name.startsWith('.') || WEIGHTS.test(name) || OWN_FILES.has(name)) continue
    // Asked of the target: hub caches are full of links.
    if (await isFile(join(folder, name))) files.push(name)
  }
  const all = [...files, ...(await additionalTemplates(folder))].sort()
  const carried = await Promise.all(all.map((name) => mayBeCarried(folder, name)))
  return {
    auxiliaryFiles: all.filter((_, i) => carried[i]),
    leftOut: all.filter((_, i) => !carried[i]),
  }
}

const isFile = (path: string) =>
  stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  )
const isDirectory = (path: string) =>
  stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  )
