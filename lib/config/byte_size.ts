/** Sizes of memory and files as people write them. */
import { z } from 'zod'

const SIZE = 'expected a number of bytes, or text such as 5GB or 500MB'
const UNITS: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9 }

/** A number of bytes, or text such as 500MB; 1 kB = 1000 bytes. */
export const byteSize = () =>
  z.union([z.int().min(1), z.string().regex(/^\d+(\.\d+)?\s*[kMG]?B?$/i, SIZE)], { error: SIZE })

/** Bytes of what byteSize() takes. */
export function bytesOf(size: number | string): number {
  if (typeof size === 'number') return size
  const [, digits, unit] = /^([\d.]+)\s*([kmg]?)/i.exec(size)!
  return Math.max(1, Math.round(Number(digits) * UNITS[unit!.toLowerCase()]!))
}
