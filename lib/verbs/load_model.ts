/** A model folder of any kind into memory. */
import { isEncoderConfig } from '../checkpoint/encoder_config'
import { openModelFolder } from '../checkpoint/model_folder'
import { modelSpec } from '../checkpoint/model_spec'
import { type Encoder, loadEncoder } from './encoder'
import { type LoadOptions, loadDecoder, type Model } from './model'

/**
 * Loads a model folder, or the result of a run folder: a Model that writes text, or an Encoder, as config.json says.
 * In TypeScript: `await loadModel<Encoder>(folder)`.
 */
export async function loadModel<Loaded extends Model | Encoder = Model>(
  folder: string,
  options: LoadOptions = {},
): Promise<Loaded> {
  const { path, config, configFile } = await openModelFolder(folder)
  modelSpec(config, configFile, { quantized: true }) // an unknown architecture is refused with all that are known
  const load = isEncoderConfig(config) ? loadEncoder : loadDecoder
  return (await load(path, options)) as Loaded
}
