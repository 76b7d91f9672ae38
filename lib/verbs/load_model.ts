/** A model folder of any kind into memory. */
import { openModelFolder } from '../checkpoint/model_folder'
import { type ModelSpec, modelSpec } from '../checkpoint/model_spec'
import { checkOptions, pathOption } from '../config/call_options'
import { type Encoder, loadEncoder } from './encoder'
import { loadDecoder } from './load_decoder'
import { LOAD_OPTIONS, type LoadOptions } from './load_options'
import type { Model } from './model'
import { loadSpeechEncoder, type SpeechEncoder } from './speech_encoder'

export type Loaded = Model | Encoder | SpeechEncoder

const LOADERS: Record<ModelSpec['kind'], (folder: string, options: LoadOptions) => Promise<Loaded>> = {
  decoder: loadDecoder,
  encoder: loadEncoder,
  speech: loadSpeechEncoder,
}

/**
 * Loads a model folder, or the result of a run folder: a Model that writes text, an Encoder of text, or a SpeechEncoder,
 * as config.json says. In TypeScript: `await loadModel<Encoder>(folder)`.
 */
export async function loadModel<Kind extends Loaded = Model>(
  folder: string,
  options: LoadOptions = {},
): Promise<Kind> {
  checkOptions('loadModel', options, LOAD_OPTIONS)
  pathOption('loadModel: folder', folder)
  const { path, config, configFile } = await openModelFolder(folder)
  const { kind } = modelSpec(config, configFile, { quantized: true }) // refuses an unknown architecture with all that are known
  return (await LOADERS[kind](path, options)) as Kind
}
