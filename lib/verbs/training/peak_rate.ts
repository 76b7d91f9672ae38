/** What a GPU could do by its data sheet: floating-point operations a second of dense matrix products. */
/** In bfloat16, without sparsity. Names as the driver tells them; the first that fits. */
const PEAKS: readonly (readonly [name: RegExp, rate: number])[] = [
  [/\bH100 PCIe\b/, 756e12],
  [/\b(H100|H200) NVL\b/, 835e12],
  [/\b(H100|H200|H800|GH200)\b/, 989e12],
  [/\bA100\b/, 312e12],
]

/** Undefined for cards and dtypes that are not in the table: a guess would make every share of it wrong. */
export function peakRate(name: string, dtype: string): number | undefined {
  return dtype === 'bfloat16' ? PEAKS.find(([pattern]) => pattern.test(name))?.[1] : undefined
}
