/** What a model said of each document, in a file: a line of JSON, then little-endian float64 sums and counts. */
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { readFile } from '../../files'
import { pause } from '../../text/pause'
import { workPath } from '../../work_paths'
import { replaceFile, writeFailed } from '../../writes'

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
  if (header?.version !== 1 || header.key !== key || header.sha256 !== (await sha256Of([body])))
    return undefined
  const values = new Float64Array(new Uint8Array(body).buffer) // a copy begins where float64 may
  const { documents, rows } = header
  return { sums: values.subarray(0, documents), counts: values.subarray(documents), ...(rows && { rows }) }
}

/** Writes beside the file first, so that a run that is killed leaves no half of it. Throws ERR_NO_SPACE or ERR_IO. */
export async function writeLogProbs(
  file: string,
  key: string,
  { sums, counts, rows }: DocumentLogProbs,
): Promise<void> {
  const parts = [bytesOf(sums), bytesOf(counts)]
  const header: Header = {
    version: 1,
    key,
    documents: sums.length,
    ...(rows && { rows }),
    sha256: await sha256Of(parts),
  }
  const by = await workPath(dirname(file)).catch(writeFailed(file)) // others may be writing the same
  await replaceFile(file, [Buffer.from(`${JSON.stringify(header)}\n`), ...parts], by)
}

function parseHeader(line: string): Header | undefined {
  try {
    return JSON.parse(line) as Header
  } catch {
    return undefined
  }
}

/** Bytes that take a few milliseconds: of a large corpus there are many. */
const PIECE = 4 * 2 ** 20

async function sha256Of(parts: readonly Uint8Array[]): Promise<string> {
  const hash = createHash('sha256')
  for (const part of parts)
    for (let at = 0; at < part.length; at += PIECE) {
      hash.update(part.subarray(at, at + PIECE))
      await pause()
    }
  return hash.digest('hex')
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array) =>
  Buffer.from(buffer, byteOffset, byteLength)
