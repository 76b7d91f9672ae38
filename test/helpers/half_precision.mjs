// Numbers of 16 bits, by the book: bfloat16 is the upper half of a float32, float16 has 5 bits of exponent.

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The 16 bits of a float32 rounded to `dtype` (BF16 or F16), to nearest, ties to even. */
export function roundedBits(value, dtype) {
  return dtype === 'BF16' ? bfloat16Bits(value) : float16Bits(value)
}

/** The number that 16 bits of `dtype` stand for. */
export function bitsToFloat(half, dtype) {
  if (dtype === 'BF16') {
    bits[0] = half << 16
    return float[0]
  }
  const sign = half & 0x8000 ? -1 : 1
  const [exponent, fraction] = [(half >> 10) & 31, half & 1023]
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

/** Distance of neighbours of `dtype` (F32, BF16 or F16) at x. */
export function ulpOf(x, dtype) {
  const [fractionBits, lowest] = { F32: [23, -126], BF16: [7, -126], F16: [10, -14] }[dtype]
  const exponent = x === 0 ? lowest : Math.floor(Math.log2(Math.abs(x)))
  return 2 ** (Math.max(exponent, lowest) - fractionBits)
}

function bfloat16Bits(value) {
  float[0] = value
  if (Number.isNaN(value)) return (bits[0] >>> 16) | 64
  return (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16
}

function float16Bits(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (Number.isNaN(value)) return 0x7e00
  if (size >= 65520) return sign | 0x7c00
  const exponent = Math.max(size === 0 ? -14 : Math.floor(Math.log2(size)), -14)
  const steps = roundedToEven(size * 2 ** (10 - exponent)) // 1024 to 2048, below 1024 where subnormal
  return sign | (steps + ((exponent + 14) << 10)) // a carry out of the fraction raises the exponent by itself
}

function roundedToEven(x) {
  const floor = Math.floor(x)
  const odd = floor % 2 === 1
  return x - floor > 0.5 || (x - floor === 0.5 && odd) ? floor + 1 : floor
}
