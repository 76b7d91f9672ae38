/** What the process of a run tells, a line of events.jsonl each: all that whoever started it, or comes later, may hear. */
import { appendFileSync, closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { ErrorDetails } from '../../errors'
import { writeFailed } from '../../writes'
import { EVENTS_FILE } from '../training/claimed_folder'
import { type ProcessIdentity, thisProcess } from './identity'
import type { HostedVerb } from './verbs'

/** What can be gone on from. */
export interface Kept {
  step: number
  path: string
}

export interface ToldFailure {
  code: string
  message: string
  hint?: string | undefined
  details: ErrorDetails
  /** Of a mistake of ours. */
  stack?: string | undefined
}

export type RunEvent =
  | { event: 'began'; verb: HostedVerb; process: ProcessIdentity; since: string; log: string }
  | { event: 'item'; item: object }
  | { event: 'warning'; message: string }
  | { event: 'note'; message: string }
  | { event: 'progress'; progress: object }
  | { event: 'kept'; kept: Kept }
  | { event: 'done'; result: unknown }
  | { event: 'failed'; error: ToldFailure }

/** What a process says to the one that started it: events until the run has its folder, then which one it is. */
export type HostMessage = { event: RunEvent } | { folder: string }

/**
 * Tells events. Until the run holds its folder they go to `send` alone: a folder that it may not have is left as it
 * is. From then on they go into the folder, all of them, and `send` hears where that is.
 */
export class Teller {
  private readonly before: string[] = []
  private file: { path: string; descriptor: number | undefined } | undefined
  private latest: Kept | undefined
  private failed: { error: unknown } | undefined

  constructor(
    verb: HostedVerb,
    log: string,
    private readonly send: (message: HostMessage) => void,
  ) {
    this.tell({ event: 'began', verb, process: thisProcess(), since: new Date().toISOString(), log })
  }

  /** The run holds a folder from now on; those of its stages are not told. What fails here, the next event throws. */
  open(folder: string): void {
    if (this.file) return
    const path = join(folder, EVENTS_FILE)
    this.file = { path, descriptor: undefined }
    try {
      const descriptor = openSync(path, 'a')
      this.file.descriptor = descriptor
      for (const line of this.before) appendFileSync(descriptor, line)
      this.send({ folder })
    } catch (error) {
      this.failed = { error }
    }
  }

  /** Throws ERR_NO_SPACE or ERR_IO. */
  tell(event: RunEvent): void {
    const line = `${JSON.stringify(event)}\n`
    const { file } = this
    if (!file) {
      this.before.push(line)
      this.send({ event })
      return
    }
    try {
      if (this.failed) throw this.failed.error
      appendFileSync(file.descriptor!, line)
    } catch (error) {
      this.failed ??= { error }
      writeFailed(file.path)(error as NodeJS.ErrnoException)
    }
  }

  kept(kept: Kept | undefined): void {
    if (!kept || kept.step === this.latest?.step) return
    this.latest = kept
    this.tell({ event: 'kept', kept })
  }

  /** The last event: what cannot be written, whoever started the process hears all the same. */
  end(event: RunEvent): void {
    try {
      this.tell(event)
    } catch {
      this.send({ event })
    }
    if (this.file?.descriptor) closeSync(this.file.descriptor)
  }
}
