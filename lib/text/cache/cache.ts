/** The encoded documents of a source: from the cache where they are, else encoded into it. */
import { dirname, join } from 'node:path'
import { TongueforgeError } from '../../errors'
import { OpenFile } from '../../files'
import { removeWork, workFolder, workPath } from '../../work_paths'
import { rename, rm, writeFailed } from '../../writes'
import type { ResolvedSource } from '../documents'
import { type Encoding, encodeSource } from '../encoding'
import { checkSkipped, Skipped } from '../skipped'
import { ENTRY_VERSION, type Manifest, readEntry } from './entry'
import { type HashedFile, hashFile, sameStamp, stampOf } from './file_hash'
import { keyOf } from './key'
import { checkPlace, type FreeSpace, freeSpace, needSpace } from './place'
import { TokenStore } from './store'
import { EntryWriter, widthOf, writeManifest } from './writer'

export interface CacheOptions {
  /** The folder of the cache. */
  cache: string
  /** Whether records that cannot be read are left out, and how many may be: a share below 1, a count from 1 on. */
  invalid: 'fail' | 'skip'
  maxInvalid: number
  /** Hears of damaged entries, which are made again. */
  onWarning?: ((message: string) => void) | undefined
  /** Hears how far encoding is. */
  onProgress?: ((progress: EncodingProgress) => void) | undefined
  signal?: AbortSignal | undefined
  free?: FreeSpace | undefined
}

export interface EncodingProgress {
  path: string
  documents: number
  tokens: number
}

export interface CachedSource {
  tokens: TokenStore
  manifest: Manifest
  /** False where it was encoded just now. */
  cached: boolean
}

/** Bytes of text a token, few enough that the estimate of the space is not too small. */
const BYTES_PER_TOKEN = 2
/** So much is left free, and so often it is looked at. */
const RESERVE = 64 * 2 ** 20

/**
 * Opens the encoded documents of a source. Entries are keyed by what the files hold and by all that decides how they
 * are encoded, and appear whole or not at all; processes may share a cache. A damaged entry is told and made again.
 * Throws ERR_DATA with file:line, ERR_NO_SPACE, ERR_IO, ERR_INPUT_CHANGED, and what reading throws.
 */
export async function openCached(
  source: ResolvedSource,
  given: Encoding,
  options: CacheOptions,
): Promise<CachedSource> {
  const encoding = atOneTime(given)
  await checkPlace(options.cache)
  const files: HashedFile[] = []
  for (const { path } of source.files) files.push(await hashFile(path, options.cache, options.signal))
  const key = keyOf(source, files, encoding, options.invalid)
  const folder = join(options.cache, key)
  const found = wideEnough(await readEntry(folder, key, options.signal), encoding)
  if (typeof found === 'object') {
    const there = await opened(folder, found, source, true, options).catch(unlessGone)
    if (there) return there
  } else if (found !== undefined) {
    options.onWarning?.(`${folder} is damaged and is made again: ${found}`)
    await remove(folder)
  }
  const made = await build(source, files, key, encoding, options)
  return opened(folder, made, source, false, options)
}

/** A template that writes the time says the same in the key and in all documents, however long they take. */
function atOneTime({ text, ...how }: Encoding): Encoding {
  return { ...how, text: { ...text, template: text.template?.stopped() } }
}

/** An entry may be deleted at any time, between a look at it and its opening too: then it is made again. */
const unlessGone = (error: TongueforgeError): undefined => {
  if (error.code !== 'ERR_NOT_FOUND') throw error
}

/** Entries were once made by the number of tokens, which may be less than the largest id. */
function wideEnough(found: Manifest | string | undefined, { text }: Encoding): Manifest | string | undefined {
  if (typeof found !== 'object' || found.width >= widthOf(text.tokenizer.idCount)) return found
  return `ids of ${found.width} bytes are cut`
}

async function opened(
  folder: string,
  manifest: Manifest,
  source: ResolvedSource,
  cached: boolean,
  options: CacheOptions,
): Promise<CachedSource> {
  checkSkipped(source.path, manifest, options.maxInvalid)
  return { tokens: await TokenStore.open(folder, manifest), manifest, cached }
}

/** Encodes a source into a hidden folder and publishes it under its key. */
async function build(
  source: ResolvedSource,
  files: readonly HashedFile[],
  key: string,
  encoding: Encoding,
  options: CacheOptions,
): Promise<Manifest> {
  const bytes = files.reduce((sum, { stamp }) => sum + stamp.size, 0)
  const work = await workFolder(options.cache)
  try {
    const width = widthOf(encoding.text.tokenizer.idCount)
    await needSpace(work, (bytes / BYTES_PER_TOKEN) * width, options.free ?? freeSpace)
    const written = await encodeInto(work, source, encoding, options)
    await checkUnchanged(source, files)
    const manifest: Manifest = { version: ENTRY_VERSION, key, bytes, ...written }
    await writeManifest(work, manifest)
    return await publish(work, join(options.cache, key), manifest, options)
  } catch (error) {
    await removeWork(work)
    throw error
  }
}

async function encodeInto(
  folder: string,
  source: ResolvedSource,
  encoding: Encoding,
  { invalid, maxInvalid, free = freeSpace, onProgress, signal }: CacheOptions,
): Promise<Omit<Manifest, 'version' | 'key' | 'bytes'>> {
  const began = performance.now()
  const skipped = new Skipped(source.path, maxInvalid)
  const writer = await EntryWriter.open(folder, encoding.text.tokenizer.idCount)
  let records = 0
  let characters = 0
  let looked = 0
  try {
    const onInvalid = invalid === 'skip' ? (error: Error) => skipped.add(error) : undefined
    for await (const slice of encodeSource(source, encoding, { onInvalid, signal })) {
      for (const document of slice.documents) await writer.add(document)
      records += slice.records
      characters += slice.characters
      onProgress?.({ path: source.path, ...writer.counts })
      if (writer.counts.tokens - looked < RESERVE / 8) continue
      looked = writer.counts.tokens
      await needSpace(folder, RESERVE, free)
    }
    const seconds = (performance.now() - began) / 1000
    const { count, problems } = skipped
    return { ...(await writer.finish()), records, characters, skipped: count, problems, seconds }
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

/** Another process may have published the same entry meanwhile: then that one is used. */
async function publish(
  work: string,
  folder: string,
  manifest: Manifest,
  { cache, signal }: CacheOptions,
): Promise<Manifest> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await rename(work, folder)
      await syncFolder(cache)
      return manifest
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(String((error as TongueforgeError).details?.errno))) throw error
    }
    const theirs = await readEntry(folder, manifest.key, signal)
    if (typeof theirs === 'object') {
      await removeWork(work)
      return theirs
    }
    await remove(folder)
  }
  throw new TongueforgeError('ERR_IO', `${folder}: cannot be published`, { details: { path: folder } })
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await OpenFile.open(folder, 'r').catch(writeFailed(folder))
  await handle
    .sync()
    .catch(unlessNeedless)
    .finally(() => handle.close())
    .catch(writeFailed(folder))
}

/** Some file systems sync no folders. */
const unlessNeedless = (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EINVAL') throw error
}

/** Takes an entry away at once; readers that have its files open keep them. */
async function remove(folder: string): Promise<void> {
  const trash = await workPath(dirname(folder))
  await rename(folder, trash).catch(() => {}) // someone else was faster
  await rm(trash, { recursive: true, force: true })
}

async function checkUnchanged(source: ResolvedSource, files: readonly HashedFile[]): Promise<void> {
  for (const [i, { path }] of source.files.entries()) {
    if (sameStamp(await stampOf(path), files[i]!.stamp)) continue
    throw new TongueforgeError('ERR_INPUT_CHANGED', `${path}: the file was changed while it was read`, {
      hint: 'Wait until nobody writes it, then run again.',
      details: { file: path },
    })
  }
}
