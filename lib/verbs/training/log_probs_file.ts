/** What a model said of each document, in a file: a line of JSON, then little-endian float64 sums and counts. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** By the number of the document in its source; a document that stands in no row has 0 and 0. */
export interface DocumentLogProbs {
  /** Log-probabilities (natural) of its targets, summed. */
  sums: Float64Array
  /** How many targets they are. */
  counts: Float64Array
  /** Of work that is not at its end: rows that are done. */
  rows?: number
}

interface Header {
  version: 1
  /** Of the model, the data and what is measured: under another one the file is not used. */
  key: string
  documents: number
  rows?: number
  /** Of the bytes after this line. */
  sha256: string
}

/** The numbers, if they are there, whole, and those of this key; else undefined, and they have to be made again. */
export async function readLogProbs(file: string, key: string): Promise<DocumentLogProbs | undefined> {
  const bytes = await readFile(file).catch(() => undefined)
  const line = bytes?.indexOf('\n') ?? -1
  if (bytes === undefined || line < 0) return undefined
  const header = parseHeader(bytes.toString('latin1', 0, line))
  const body = bytes.subarray(line + 1)
  if (header?.version !== 1 || header.key !== key || header.sha256 !== sha256Of(body)) return undefined
  const values = new Float64Array(Uint8Array.from(body).buffer) // a copy begins where float64 may
  const { documents, rows } = header
  return { sums: values.subarray(0, documents), counts: values.subarray(documents), ...(rows && { rows }) }
}

/** Writes beside the file first, so that a run that is killed leaves no half of it. */
export async function writeLogProbs(
  file: string,
  key: string,
  { sums, counts, rows }: DocumentLogProbs,
): Promise<void> {
  const bytes = Buffer.concat([bytesOf(sums), bytesOf(counts)])
  const header: Header = {
    version: 1,
    key,
    documents: sums.length,
    ...(rows && { rows }),
    sha256: sha256Of(bytes),
  }
  const folder = dirname(file)
  const written = join(folder, `.tmp-${process.pid}-${basename(file)}`) // others may be writing the same
  await mkdir(folder, { recursive: true })
  await writeFile(written, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), bytes]))
  await rename(written, file)
}

function parseHeader(line: string): Header | undefined {
  try {
    return JSON.parse(line) as Header
  } catch {
    return undefined
  }
}

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array) =>
  Buffer.from(buffer, byteOffset, byteLength)
