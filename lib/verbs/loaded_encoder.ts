/** The weights of an encoder, of text or of speech, into memory. */
import type { EncoderSpec } from '../checkpoint/encoder_config'
import type { SpeechSpec } from '../checkpoint/speech_config'
import { TongueforgeError } from '../errors'
import { type Handle, native, runJob } from '../native'
import type { LoadOptions } from './model'
import { type TimedLayers, timedLayers } from './timed_layers'
import type { Unread } from './unread_tensors'

export interface LoadedEncoder {
  handle: Handle
  threads: number
  /** Tensors of the folder that belong to another head than the model has, and are not read. */
  unread: string[]
  timed: TimedLayers
}

/** Throws ERR_USAGE for an adapter, and what loadModel of native throws. */
export async function loadedEncoder(
  folder: string,
  spec: EncoderSpec | SpeechSpec,
  { device = 'cpu', dtype = 'float32', threads = 0, adapter, ...options }: LoadOptions,
): Promise<LoadedEncoder> {
  if (adapter !== undefined) throw noAdapter()
  const { sparse, quantized, signal, onProgress } = options
  const unread: string[] = []
  const onItem = (item: Unread) => unread.push(...item.unread)
  const load = { folder, spec, dtype, device, threads }
  const handle = await runJob('loadModel', load, { signal, onProgress, onItem })
  try {
    return {
      handle,
      threads,
      unread,
      timed: await timedLayers(handle, { sparse, quantized }, { threads, signal }),
    }
  } catch (error) {
    native().dispose(handle)
    throw error
  }
}

const noAdapter = () =>
  new TongueforgeError('ERR_USAGE', 'Expected no adapter with an encoder, received one', {
    hint: 'Merge it first: tongueforge adapter merge.',
  })
