/** Layers of a model that probes look at. */
import type { SpeechSpec } from '../../checkpoint/speech_config'
import { configError } from '../../config/parse'
import type { OneProbe } from '../../config/probe'

type Hears = Pick<SpeechSpec, 'layers' | 'norm_first'>

/** As native code numbers what the whole model gives. */
const LAST = -1

/** By their number; -1 is what the whole model gives, where that is not what its last block does. Throws ERR_CONFIG. */
export function layersOf({ name, layers }: OneProbe, { layers: blocks, norm_first }: Hears): number[] {
  const most = blocks.length
  if (layers === 'weighted') return Array.from({ length: most + 1 }, (_, i) => i)
  if (layers === 'last') return [norm_first ? LAST : most]
  if (layers <= most) return [layers]
  throw configError(
    'config',
    `probes: ${name}: layers: expected 0 to ${most}, weighted or last, received ${layers}`,
    { hint: `The model has ${most} layers.`, key: 'probes' },
  )
}

/** All that some probe looks at, each once. */
export function layersOfAll(probes: readonly OneProbe[], hears: Hears): number[] {
  return [...new Set(probes.flatMap((probe) => layersOf(probe, hears)))].sort((a, b) => a - b)
}
