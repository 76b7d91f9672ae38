// Reads and writes small safetensors files, whole. The reader trusts its input: the files come from the tests' own
// scripts. The library's reader is the strict one, and is what these arrays judge.
import { readFileSync, writeFileSync } from 'node:fs'
import { bitsToFloat, roundedBits } from './half_precision.mjs'

const ARRAYS = { F32: Float32Array, F64: Float64Array, I32: Int32Array }
const DTYPES = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' }

/** Returns { name: { shape, data } }, 16-bit floats as float32; a name that is not there is undefined. */
export function readArrays(path) {
  const read = ([name, tensor]) => [name, { shape: tensor.shape, data: numbersOf(tensor) }]
  return Object.fromEntries(Object.entries(readTensors(path)).map(read))
}

/** Returns { name: { dtype, shape, bytes } }: the file's own words and bytes. */
export function readTensors(path) {
  const file = readFileSync(path)
  const headerEnd = 8 + Number(file.readBigUInt64LE(0))
  const { __metadata__, ...header } = JSON.parse(file.toString('utf8', 8, headerEnd))
  const read = ([name, { dtype, shape, data_offsets }]) => {
    const [begin, end] = data_offsets.map((offset) => headerEnd + offset)
    const bytes = Uint8Array.from(file.subarray(begin, end)) // a copy: typed arrays want their own alignment
    return [name, { dtype, shape, bytes }]
  }
  return Object.fromEntries(Object.entries(header).map(read))
}

/** The values of a tensor of readTensors as numbers, whatever floating dtype it has. */
export function numbersOf({ dtype, bytes }) {
  if (ARRAYS[dtype]) return new ARRAYS[dtype](bytes.buffer)
  return Float32Array.from(new Uint16Array(bytes.buffer), (bits) => bitsToFloat(bits, dtype))
}

/** Writes tensors [{name, shape, dtype: float32 | bfloat16 | float16, data: numbers}], rounded to their dtype. */
export function writeArrays(path, tensors) {
  const bytesOf = (data, dtype) =>
    dtype === 'F32'
      ? Float32Array.from(data)
      : Uint16Array.from(data, (value) => roundedBits(Math.fround(value), dtype))
  writeTensors(
    path,
    tensors.map(({ name, shape, dtype, data }) => {
      const { buffer } = bytesOf(data, DTYPES[dtype])
      return { name, shape, dtype: DTYPES[dtype], bytes: new Uint8Array(buffer) }
    }),
  )
}

/** Writes tensors [{name, dtype, shape, bytes}] as they are, in this order. */
export function writeTensors(path, tensors) {
  const header = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] }
    offset += bytes.length
  }
  const text = JSON.stringify(header)
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  writeFileSync(path, Buffer.concat([length, Buffer.from(padded), ...tensors.map(({ bytes }) => bytes)]))
}

/** An array (B,T) as nested plain arrays, as the library takes ids. */
export function rows({ shape, data }) {
  const [count, width] = shape
  return Array.from({ length: count }, (_, row) => [...data.subarray(row * width, (row + 1) * width)])
}
