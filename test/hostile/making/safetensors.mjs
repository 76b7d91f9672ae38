// Safetensors files, well-formed or not: header text and data as they are given.

/** A file with this header, text or object, and so much data; `length` is what its first eight bytes say. */
export function safetensors(header, data = Buffer.alloc(0), length) {
  const text = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const head = Buffer.alloc(8)
  head.writeBigUInt64LE(length ?? BigInt(text.length))
  return Buffer.concat([head, text, typeof data === 'number' ? Buffer.alloc(data) : data])
}

/** Bits of each dtype of the format. */
export const DTYPES = {
  ...{ BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 },
  ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6, I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32 },
  ...{ I64: 64, U64: 64, F64: 64, C64: 64 },
}

/** A file of tensors {name: {dtype, shape, data?}} laid end to end; data are zero where none are given. */
export function tensorsFile(tensors, metadata) {
  const header = metadata === undefined ? {} : { __metadata__: metadata }
  const parts = []
  let end = 0
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    const bytes = data ?? Buffer.alloc((shape.reduce((a, b) => a * b, 1) * DTYPES[dtype]) / 8)
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] }
    end += bytes.length
    parts.push(bytes)
  }
  return safetensors(header, Buffer.concat(parts))
}
