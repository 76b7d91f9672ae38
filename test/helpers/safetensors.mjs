// Reads a small safetensors file of expected arrays, whole, into typed arrays. It trusts its input: the files come
// from the tests' own scripts. The library's reader is the strict one, and is what these arrays judge.
import { readFileSync } from 'node:fs'

const ARRAYS = { F32: Float32Array, F64: Float64Array, I32: Int32Array, BF16: Uint16Array }

/** A bfloat16 is the upper half of a float32. */
const widened = (halves) => new Float32Array(Uint32Array.from(halves, (half) => (half << 16) >>> 0).buffer)

/** Returns { name: { shape, data } }, bfloat16 as float32; a name that is not there is undefined. */
export function readArrays(path) {
  const file = readFileSync(path)
  const headerEnd = 8 + Number(file.readBigUInt64LE(0))
  const { __metadata__, ...header } = JSON.parse(file.toString('utf8', 8, headerEnd))
  const read = ([name, { dtype, shape, data_offsets }]) => {
    const [begin, end] = data_offsets.map((offset) => headerEnd + offset)
    const aligned = Uint8Array.from(file.subarray(begin, end)) // a copy: typed arrays want their own alignment
    const data = new ARRAYS[dtype](aligned.buffer)
    return [name, { shape, data: dtype === 'BF16' ? widened(data) : data }]
  }
  return Object.fromEntries(Object.entries(header).map(read))
}

/** An array (B,T) as nested plain arrays, as the library takes ids. */
export function rows({ shape, data }) {
  const [count, width] = shape
  return Array.from({ length: count }, (_, row) => [...data.subarray(row * width, (row + 1) * width)])
}
