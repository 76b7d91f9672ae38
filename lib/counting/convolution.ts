/** One-dimensional convolutions: parameters, positions, multiplications. */

export interface ConvolutionSize {
  /** On disk, without `.weight`. */
  name: string
  /** Channels. */
  inputs: number
  outputs: number
  kernel: number
  stride: number
  /** Zeros put before and after. */
  padding: number
  groups: number
  bias: boolean
  /** Stored as directions and lengths (weight norm over all but the kernel's places): one length a place. */
  weight_norm: boolean
}

/**
 * The name of a tensor as torch before release 2.0 gave it: newer ones call the lengths and directions of a weight norm
 * otherwise.
 */
export const weightNormName = (name: string): string =>
  name
    .replace('.parametrizations.weight.original0', '.weight_g')
    .replace('.parametrizations.weight.original1', '.weight_v')

/** Numbers in the kernels, lengths of a weight norm left out: what a position is multiplied with. */
export const kernelNumbers = ({ inputs, outputs, kernel, groups }: ConvolutionSize): number =>
  outputs * (inputs / groups) * kernel

export function convolutionParameters(convolution: ConvolutionSize): number {
  const { outputs, kernel, bias, weight_norm } = convolution
  return kernelNumbers(convolution) + (weight_norm ? kernel : 0) + (bias ? outputs : 0)
}

/** Positions that come out of so many. */
export function outputLength({ kernel, stride, padding }: ConvolutionSize, length: number): number {
  return Math.max(0, Math.floor((length + 2 * padding - kernel) / stride) + 1)
}
