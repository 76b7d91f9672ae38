/** Matrices in numpy's .npy format, read strictly: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
import { TongueforgeError } from '../errors'
import { ioError } from './json_file'
import { openRegular } from './regular_file'

/** Larger than any table of statistics: mean and std of 1,000 bins are 16 kB. */
const MAX_BYTES = 1 << 20
const MAGIC = '\x93NUMPY'
/** Little-endian floats, by numpy's name. */
const READERS = {
  '<f4': { bytes: 4, read: (data: Buffer, at: number) => data.readFloatLE(at) },
  '<f8': { bytes: 8, read: (data: Buffer, at: number) => data.readDoubleLE(at) },
} as const
const HEADER = /^\{'descr': '(<f[48])', 'fortran_order': (False), 'shape': \((\d{1,6}), (\d{1,6})\), \} *\n$/

/**
 * The rows of a matrix of little-endian float32 or float64 in C order. Throws ERR_NOT_FOUND, ERR_IO, and ERR_DATA for
 * anything else than such a file.
 */
export async function readNpyMatrix(file: string): Promise<number[][]> {
  const bytes = await readSmall(file)
  if (bytes.length < 10 || bytes.toString('latin1', 0, 6) !== MAGIC || bytes[6]! < 1 || bytes[6]! > 3)
    refuse(file, 'a file of numpy.save', 'another one')
  const wide = bytes[6]! > 1 // the length of the header has four bytes in these versions
  const begin = wide ? 12 : 10
  if (bytes.length < begin) refuse(file, 'a whole header', `${bytes.length} bytes`)
  const end = begin + (wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8))
  const header = bytes.toString('latin1', begin, end)
  const match = HEADER.exec(header)
  if (match === null || end > bytes.length)
    refuse(file, 'a matrix of float32 or float64 in C order', JSON.stringify(header.trim().slice(0, 100)))
  const { bytes: width, read } = READERS[match![1] as keyof typeof READERS]
  const [rows, columns] = [Number(match![3]), Number(match![4])]
  if (bytes.length - end !== rows * columns * width)
    refuse(file, `${rows * columns * width} bytes of data`, String(bytes.length - end))
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => read(bytes, end + (row * columns + column) * width)),
  )
}

async function readSmall(file: string): Promise<Buffer> {
  const opened = await openRegular(file)
  try {
    const { size } = await opened.stat()
    if (size <= MAX_BYTES) return await opened.head(size)
    return refuse(file, `at most ${MAX_BYTES} bytes`, String(size))
  } catch (error) {
    throw error instanceof TongueforgeError ? error : ioError(file, error as NodeJS.ErrnoException)
  } finally {
    await opened.close()
  }
}

function refuse(file: string, expected: string, received: string): never {
  throw new TongueforgeError('ERR_DATA', `${file}: expected ${expected}, received ${received}`, {
    hint: 'Write it with numpy.save(FILE, numpy.stack([mean, std])).',
    details: { file, expected, received },
  })
}
