/** From the folder of a model that writes text to the model in memory. */
import { type AdapterFolder, openAdapter } from '../checkpoint/adapter_folder'
import { decoderSpec } from '../checkpoint/model_config'
import { openModelFolder } from '../checkpoint/model_folder'
import { checkOptions, pathOption } from '../config/call_options'
import { engineSettings } from '../config/serving'
import { type Handle, native, runJob } from '../native'
import { LOAD_OPTIONS, type LoadOptions } from './load_options'
import { Model } from './model'
import { Engine } from './serving/engine'
import { timedLayers } from './timed_layers'

/** Loads the folder of a model that writes text, or the result of a run folder. */
export async function loadDecoder(folder: string, given: LoadOptions = {}): Promise<Model> {
  checkOptions('loadDecoder', given, LOAD_OPTIONS)
  pathOption('loadDecoder: folder', folder)
  const { device = 'cpu', dtype = 'float32', threads = 0, serving = false, signal, onProgress } = given
  const { adapter, sparse, quantized } = given
  const settings = serving === false ? undefined : engineSettings(serving === true ? {} : serving)
  const files = await openModelFolder(folder)
  const spec = decoderSpec(files.config, files.configFile, { quantized: true })
  const options = { folder: files.path, spec, dtype, device, threads }
  const added = adapter === undefined ? undefined : await openAdapter(adapter)
  const handle = await runJob('loadModel', options, { signal, onProgress })
  try {
    if (added) await putAdapter(handle, added)
    const timed = await timedLayers(handle, { sparse, quantized }, { threads, signal })
    const engine = settings && (await Engine.make(handle, settings, threads))
    return new Model(files, spec, handle, threads, timed, engine)
  } catch (error) {
    native().dispose(handle)
    throw error
  }
}

async function putAdapter(model: Handle, { modules, weights }: AdapterFolder): Promise<void> {
  await runJob('attachAdapter', { model, adapters: modules, dropout: 0, seed: 0 })
  await runJob('loadAdapter', { model, path: weights })
}
