/** The weights of an encoder, of text or of speech, into memory. */
import type { EncoderSpec } from '../checkpoint/encoder_config'
import type { SpeechSpec } from '../checkpoint/speech_config'
import { shown } from '../config/parse'
import { TongueforgeError } from '../errors'
import { type Handle, native, runJob } from '../native'
import type { LoadOptions } from './load_options'
import { type TimedLayers, timedLayers } from './timed_layers'
import type { Unread } from './unread_tensors'

export interface LoadedEncoder {
  handle: Handle
  threads: number
  /** Tensors of the folder that belong to another head than the model has, and are not read. */
  unread: string[]
  timed: TimedLayers
}

/** Throws ERR_USAGE for what encoders do not take, and what loadModel of native throws. */
export async function loadedEncoder(
  folder: string,
  spec: EncoderSpec | SpeechSpec,
  given: LoadOptions,
): Promise<LoadedEncoder> {
  checkForEncoder(spec, given)
  const { device = 'cpu', dtype = 'float32', threads = 0, ...options } = given
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

// What would have no effect.
function checkForEncoder(
  { kind }: EncoderSpec | SpeechSpec,
  { adapter, serving, quantized = 'dense' }: LoadOptions,
): void {
  const refuse = (problem: string, hint: string): never => {
    throw new TongueforgeError('ERR_USAGE', problem, { hint })
  }
  if (adapter !== undefined)
    refuse('Expected no adapter with an encoder, received one', 'Merge it first: tongueforge adapter merge.')
  if (serving !== undefined && serving !== false)
    refuse(
      `serving: expected a model that writes text, received ${kind === 'speech' ? 'a speech encoder' : 'an encoder'}`,
      'Leave serving out: many calls may run on an encoder at a time.',
    )
  if (kind === 'speech' && quantized !== 'dense')
    refuse(
      `quantized: expected dense of a speech encoder, received ${shown(quantized)}`,
      'Leave quantized out: no speech encoder is read quantised.',
    )
}
