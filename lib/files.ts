/**
 * Files as lib opens and reads them: by Node's calls with callbacks. Those of node:fs/promises leave their file open, and
 * may end the process, where the worker thread that made them is terminated (`test/stress/node_open_files.mjs`); a
 * descriptor of a thread is closed by Node with the thread.
 */
import * as fs from 'node:fs'
import { promisify } from 'node:util'

export const access = promisify(fs.access)
export const readdir = promisify(fs.readdir)
export const readFile = promisify(fs.readFile)
export const realpath: (path: string) => Promise<string> = promisify(fs.realpath.native)
export const stat = promisify(fs.stat)
export const statfs = promisify(fs.statfs)

const calls = {
  open: promisify(fs.open),
  close: promisify(fs.close),
  read: promisify(fs.read),
  write: promisify(fs.write),
  fsync: promisify(fs.fsync),
  fstat: promisify(fs.fstat),
}

/** A file that stays open until close(), or until a stream() of it has ended. */
export class OpenFile {
  private isOpen = true

  private constructor(private readonly descriptor: number) {}

  /** Throws what Node says of the path. */
  static async open(path: string, flags: string | number): Promise<OpenFile> {
    return new OpenFile(await calls.open(path, flags))
  }

  stat(): Promise<fs.Stats> {
    return calls.fstat(this.descriptor)
  }

  /** The first bytes of it: so many, or fewer where there are no more. */
  async head(size: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(size)
    return bytes.subarray(0, await this.read(bytes, 0))
  }

  /** Fills the bytes from the place on; resolves with how many there were. */
  async read(bytes: Uint8Array, place: number): Promise<number> {
    let done = 0
    while (done < bytes.length) {
      const { bytesRead } = await calls.read(this.descriptor, bytes, done, bytes.length - done, place + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  /** Writes all of them, where the last write ended. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await calls.write(this.descriptor, bytes, done)
      done += bytesWritten
    }
  }

  sync(): Promise<void> {
    return calls.fsync(this.descriptor)
  }

  /** From its beginning; its end closes the file, and so does destroying it. */
  stream(options: { highWaterMark?: number } = {}): fs.ReadStream {
    this.isOpen = false
    return fs.createReadStream('', { ...options, fd: this.descriptor })
  }

  async close(): Promise<void> {
    if (!this.isOpen) return
    this.isOpen = false
    await calls.close(this.descriptor)
  }
}
