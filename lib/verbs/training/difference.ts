/** How far two lists of numbers are apart, relative to the second: the largest distance over the largest value, and mean over mean. */
export interface Difference {
  max_relative: number
  mean_relative: number
}

export function difference(received: Float32Array, expected: Float32Array): Difference {
  let [worst, largest, sum, size] = [0, 0, 0, 0]
  for (const [i, value] of expected.entries()) {
    const distance = Math.abs(received[i]! - value)
    if (!(distance <= worst)) worst = distance // NaN stays
    largest = Math.max(largest, Math.abs(value))
    sum += distance
    size += Math.abs(value)
  }
  return { max_relative: worst / largest, mean_relative: sum / size }
}
