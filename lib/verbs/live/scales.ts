/** How much of a delta each tensor of a model in memory gets. */
import { checkConfig } from '../../config/parse'
import { type Scale, scaleSchema, scalesOf } from '../../config/scales'
import type { ParameterDescription } from '../../native'

export interface TensorScale {
  name: string
  scale: number
}

/** The scale of every parameter. Throws ERR_CONFIG for what is no scale, and for a row that fits no parameter. */
export function tensorScales(
  scale: Scale,
  parameters: readonly ParameterDescription[],
  numLayers: number,
): TensorScale[] {
  const checked = checkConfig(scaleSchema, scale, 'scale')
  const scales = scalesOf(checked, parameters, numLayers)
  return parameters.map(({ name }, i) => ({ name, scale: scales[i]! }))
}
