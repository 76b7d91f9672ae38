/** How much of a delta each tensor of a model gets. */
import { suggestion } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { MODULE_KINDS, type ModuleKind, type ParameterDescription } from '../../native'

/** One number for all tensors, or one for each kind of module; kinds that are not named get 1. */
export type Scale = number | Partial<Record<ModuleKind, number>>

export interface TensorScale {
  name: string
  scale: number
}

/** The scale of every parameter. Throws ERR_USAGE for numbers that are not finite and kinds that there are not. */
export function tensorScales(scale: Scale, parameters: readonly ParameterDescription[]): TensorScale[] {
  if (typeof scale === 'number') checkFinite('scale', scale)
  else
    for (const [kind, value] of Object.entries(scale)) {
      checkKind(kind)
      checkFinite(`scale.${kind}`, value)
    }
  return parameters.map(({ name, module }) => ({
    name,
    scale: typeof scale === 'number' ? scale : (scale[module] ?? 1),
  }))
}

function checkKind(kind: string): void {
  if ((MODULE_KINDS as readonly string[]).includes(kind)) return
  throw new TongueforgeError(
    'ERR_USAGE',
    `scale.${kind}: expected a kind of module: ${MODULE_KINDS.join(' | ')}`,
    {
      hint: suggestion(kind, MODULE_KINDS),
      details: { option: 'scale', received: kind },
    },
  )
}

function checkFinite(option: string, value: unknown): void {
  if (Number.isFinite(value)) return
  throw new TongueforgeError('ERR_USAGE', `${option}: expected a finite number, received ${value}`, {
    hint: '1 adds the whole difference, 0 none of it.',
    details: { option, received: value },
  })
}
