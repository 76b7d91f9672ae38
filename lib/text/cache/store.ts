import { join } from 'node:path'
import { ioError } from '../../checkpoint/json_file'
import { OpenFile, readFile } from '../../files'
import { IGNORE } from '../conversation'
import { Offsets } from '../offsets'
import { NO_TARGET, type Tokens } from '../tokens'
import { INDEX, MASK, type Manifest, TOKENS } from './entry'

/**
 * The documents of an entry, read where they lie: in memory is one length a document (4 bytes), and where only some
 * tokens are learnt also the place of the first of them (4 more). The files stay open, so that an entry may be deleted
 * while it is used.
 */
export class TokenStore implements Tokens {
  readonly count: number
  readonly total: number

  private constructor(
    private readonly folder: string,
    { documents, tokens, width }: Manifest,
    private readonly index: Uint32Array,
    private readonly offsets: Offsets,
    private readonly files: { tokens: OpenFile; mask: OpenFile | undefined },
  ) {
    this.count = documents
    this.total = tokens
    this.width = width
  }
  private readonly width: 2 | 4

  /** Throws ERR_NOT_FOUND for an entry that has gone, ERR_IO. */
  static async open(folder: string, manifest: Manifest): Promise<TokenStore> {
    const opened: OpenFile[] = []
    const open = async (name: string) => {
      const file = await OpenFile.open(join(folder, name), 'r')
      opened.push(file)
      return file
    }
    try {
      const bytes = await readFile(join(folder, INDEX))
      const index = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
      const offsets = await Offsets.of(manifest.documents, (document) => index[document]!)
      const tokens = await open(TOKENS)
      const mask = manifest.masked ? await open(MASK) : undefined
      return new TokenStore(folder, manifest, index, offsets, { tokens, mask })
    } catch (error) {
      for (const file of opened) await file.close()
      throw ioError(folder, error as NodeJS.ErrnoException)
    }
  }

  length(document: number): number {
    return this.index[document]!
  }

  firstTarget(document: number): number {
    if (this.files.mask !== undefined) return this.index[this.count + document]!
    return this.length(document) > 1 ? 1 : NO_TARGET
  }

  async read(document: number, from: number, ids: Int32Array, labels: Int32Array): Promise<void> {
    const first = this.offsets.startOf(document) + from
    const stored = this.width === 2 ? new Uint16Array(ids.length) : new Uint32Array(ids.length)
    const { mask } = this.files
    const [bits] = await Promise.all([
      mask === undefined ? undefined : this.readBits(mask, first, ids.length),
      this.fill(this.files.tokens, new Uint8Array(stored.buffer), first * this.width),
    ])
    ids.set(stored)
    if (bits === undefined) labels.set(stored)
    else for (let i = 0; i < ids.length; i++) labels[i] = bits(i) ? stored[i]! : IGNORE
  }

  /** Closes the files; to be called when nothing is read any more. */
  async close(): Promise<void> {
    await this.files.tokens.close()
    await this.files.mask?.close()
  }

  /** Whether each of `count` tokens from `first` on is learnt. */
  private async readBits(mask: OpenFile, first: number, count: number): Promise<(token: number) => boolean> {
    const start = Math.floor(first / 8)
    const shift = first % 8
    const bytes = new Uint8Array(Math.ceil((shift + count) / 8))
    await this.fill(mask, bytes, start)
    return (token) => ((bytes[(shift + token) >> 3]! >> ((shift + token) & 7)) & 1) === 1
  }

  private async fill(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
    const count = await file.read(bytes, position).catch((error) => {
      throw ioError(this.folder, error)
    })
    if (count < bytes.length)
      throw ioError(this.folder, Object.assign(new Error('it was cut off'), { code: 'EOF' }))
  }
}
