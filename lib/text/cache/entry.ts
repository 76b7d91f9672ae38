/** What lies in an entry of the cache, and whether it is whole. docs/file_formats.md describes it. */
import { join } from 'node:path'
import { z } from 'zod'
import { sha256 } from '../../checkpoint/hashing'
import { readFile, stat } from '../../files'

/** Raise it when the files of an entry change their form, or an objective encodes differently. */
export const ENTRY_VERSION = 2

export const TOKENS = 'tokens.bin'
export const MASK = 'mask.bin'
export const INDEX = 'index.bin'
const MANIFEST = 'manifest.json'
export const manifestOf = (folder: string) => join(folder, MANIFEST)

const count = z.int().min(0)
const file = z.object({ bytes: count, sha256: z.string() })

const manifest = z.object({
  version: z.literal(ENTRY_VERSION),
  key: z.string(),
  /** Bytes a token. */
  width: z.union([z.literal(2), z.literal(4)]),
  /** Whether mask.bin says what is learnt; else every token is. */
  masked: z.boolean(),
  documents: count,
  tokens: count,
  characters: count,
  /** Read from the source, those left out included. */
  records: count,
  /** Of the source files, as they lie on the disk. */
  bytes: count,
  /** Those left out, and what was wrong with the first of them. */
  skipped: count,
  problems: z.array(z.string()),
  /** What reading and encoding took. */
  seconds: z.number(),
  files: z.object({ [TOKENS]: file, [INDEX]: file, [MASK]: file.optional() }),
})

export type Manifest = z.infer<typeof manifest>

/**
 * Reads the manifest of an entry and compares every file with it, by size and SHA-256. Undefined where there is no
 * entry; a sentence that says what is wrong with a damaged one.
 */
export async function readEntry(
  folder: string,
  key: string,
  signal?: AbortSignal,
): Promise<Manifest | string | undefined> {
  const text = await readFile(manifestOf(folder), 'utf8').catch((error) => error as NodeJS.ErrnoException)
  if (typeof text !== 'string')
    return text.code === 'ENOENT' ? absentOrTorn(folder) : `${MANIFEST}: ${text.message}`
  const parsed = parse(text)
  if (typeof parsed === 'string') return parsed
  if (parsed.key !== key) return `${MANIFEST}: it is that of another entry`
  for (const [name, expected] of Object.entries(parsed.files)) {
    if (expected === undefined) continue
    const path = join(folder, name)
    const size = (await stat(path).catch(() => undefined))?.size
    if (size !== expected.bytes)
      return `${name}: expected ${expected.bytes} bytes, found ${size ?? 'no file'}`
    if ((await sha256(path, signal)) !== expected.sha256) return `${name}: its content has changed`
  }
  return parsed
}

async function absentOrTorn(folder: string): Promise<string | undefined> {
  const found = await stat(folder).catch(() => undefined)
  return found && `${MANIFEST}: no such file`
}

function parse(text: string): Manifest | string {
  try {
    const parsed = manifest.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : `${MANIFEST}: ${parsed.error.issues[0]!.message}`
  } catch {
    return `${MANIFEST}: it is not JSON`
  }
}
