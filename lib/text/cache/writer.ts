import { createHash, type Hash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { jsonText } from '../../checkpoint/write_folder'
import type { TongueforgeError } from '../../errors'
import { OpenFile } from '../../files'
import { rm, writeFailed, writeFile } from '../../writes'
import { IGNORE } from '../conversation'
import { firstTargetOf, type TokenDocument } from '../tokens'
import { INDEX, MASK, type Manifest, manifestOf, TOKENS } from './entry'
import { noSpace } from './place'

const BUFFER = 2 ** 20

/** What the writer knows of an entry; the rest of the manifest comes from whoever read the source. */
export type Written = Pick<Manifest, 'width' | 'masked' | 'documents' | 'tokens' | 'files'>

/** Bytes of an id: up to 65536 of them fit into two. */
export const widthOf = (idCount: number): 2 | 4 => (idCount <= 2 ** 16 ? 2 : 4)

/** Writes documents into the files of an entry: ids, a bit a token for what is learnt, lengths. */
export class EntryWriter {
  private readonly lengths = new GrowingList()
  private readonly firstTargets = new GrowingList()
  private documents = 0
  private tokens = 0
  private masked = false
  /** Bits of the last, incomplete byte of the mask. */
  private bits = 0

  private index: HashedFile | undefined

  private constructor(
    private readonly folder: string,
    private readonly width: 2 | 4,
    private readonly ids: HashedFile,
    private readonly mask: HashedFile,
  ) {}

  /** `idCount`: one more than the largest id. Throws ERR_NO_SPACE, ERR_IO. */
  static async open(folder: string, idCount: number): Promise<EntryWriter> {
    const ids = await HashedFile.create(folder, TOKENS)
    try {
      const mask = await HashedFile.create(folder, MASK)
      return new EntryWriter(folder, widthOf(idCount), ids, mask)
    } catch (error) {
      await ids.abandon()
      throw error
    }
  }

  get counts(): { documents: number; tokens: number } {
    return { documents: this.documents, tokens: this.tokens }
  }

  /** Documents without a token leave no trace. */
  async add(document: TokenDocument): Promise<void> {
    const { ids, labels } = document
    if (ids.length === 0) return
    this.lengths.push(ids.length)
    this.firstTargets.push(firstTargetOf(document))
    this.masked ||= labels !== undefined
    const stored = this.width === 2 ? new Uint16Array(ids) : ids
    await this.ids.write(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength))
    await this.mask.write(this.maskBits(document))
    this.documents++
    this.tokens += ids.length
  }

  /** Whole bytes of the mask, from the bits that are left of the document before on. */
  private maskBits({ ids, labels }: TokenDocument): Uint8Array {
    const held = this.tokens % 8
    const bytes = new Uint8Array(Math.ceil((held + ids.length) / 8))
    bytes[0] = this.bits
    for (let i = 0; i < ids.length; i++) {
      if (labels === undefined || labels[i] !== IGNORE) bytes[(held + i) >> 3]! |= 1 << ((held + i) & 7)
    }
    const whole = (held + ids.length) >> 3
    this.bits = bytes[whole] ?? 0
    return bytes.subarray(0, whole)
  }

  /** Completes the files, synced to the disk. */
  async finish(): Promise<Written> {
    if (this.tokens % 8 > 0) await this.mask.write(Uint8Array.of(this.bits))
    const index = await HashedFile.create(this.folder, INDEX)
    this.index = index
    await index.write(this.lengths.bytes())
    if (this.masked) await index.write(this.firstTargets.bytes())
    const mask = await this.mask.finish()
    if (!this.masked) await rm(join(this.folder, MASK))
    const files = {
      [TOKENS]: await this.ids.finish(),
      [INDEX]: await index.finish(),
      ...(this.masked && { [MASK]: mask }),
    }
    const { width, masked, documents, tokens } = this
    return { width, masked, documents, tokens, files }
  }

  /** Closes the files of an entry that comes to nothing. */
  async abandon(): Promise<void> {
    for (const file of [this.ids, this.mask, this.index]) await file?.abandon()
  }
}

/** Writes the manifest: the last file, so that an entry with one is whole. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await writeFile(manifestOf(folder), jsonText(manifest), { flush: true })
}

/** A file that is written in large pieces and hashed on the way. */
class HashedFile {
  private readonly hash: Hash = createHash('sha256')
  private buffer = Buffer.allocUnsafe(BUFFER)
  private filled = 0
  private bytes = 0

  private constructor(
    private readonly path: string,
    private readonly handle: OpenFile,
  ) {}

  static async create(folder: string, name: string): Promise<HashedFile> {
    const path = join(folder, name)
    return new HashedFile(path, await OpenFile.open(path, 'wx').catch(failed(path)))
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + BUFFER - this.filled)
      this.buffer.set(part, this.filled)
      this.filled += part.length
      from += part.length
      if (this.filled === BUFFER) await this.flush()
    }
  }

  async finish(): Promise<{ bytes: number; sha256: string }> {
    await this.flush()
    await this.handle.sync().catch(failed(this.path))
    await this.handle.close().catch(failed(this.path))
    return { bytes: this.bytes, sha256: this.hash.digest('hex') }
  }

  /** Of a file that comes to nothing, closed or not: what went wrong before is what counts. */
  async abandon(): Promise<void> {
    await this.handle.close().catch(() => {})
  }

  private async flush(): Promise<void> {
    const bytes = this.buffer.subarray(0, this.filled)
    this.hash.update(bytes)
    await this.handle.write(bytes).catch(failed(this.path, bytes.length))
    this.bytes += this.filled
    this.filled = 0
  }
}

/** Throws ERR_NO_SPACE that says what may be deleted, or ERR_IO. */
const failed = (path: string, bytes?: number) => (cause: NodeJS.ErrnoException) => {
  try {
    return writeFailed(path, bytes)(cause)
  } catch (error) {
    const { code, details } = error as TongueforgeError
    if (code !== 'ERR_NO_SPACE') throw error
    throw noSpace(dirname(path), 'has filled the disk', error, details)
  }
}

/** A list of 32-bit numbers without a known end: 4 bytes each, 8 while it grows. */
class GrowingList {
  private values = new Uint32Array(1024)
  private count = 0

  push(value: number): void {
    if (this.count === this.values.length) {
      const larger = new Uint32Array(2 * this.count)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.count++] = value
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.values.buffer, 0, 4 * this.count)
  }
}
