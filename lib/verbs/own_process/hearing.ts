/** What a run in another process tells, handed to whoever listens in this one; and what its end means here. */
import { endedByForce, type ForcedEnd, toldError } from './endings'
import type { Kept, RunEvent } from './events'

export interface Audience {
  emit: (item: never) => void
  latest: { checkpoint: Kept | undefined }
  /** Aborted where this side has had enough: then that is why the run ended. */
  signal: AbortSignal
  onWarning?: ((message: string) => void) | undefined
  onNote?: ((message: string) => void) | undefined
  onProgress?: ((progress: never) => void) | undefined
}

/** What a run that was asked to stop before it could listen ends with; and one that was asked twice. */
const ASKED = { signal: 'SIGTERM', code: 130 }

export class Hearing {
  private end: Extract<RunEvent, { event: 'done' | 'failed' }> | undefined
  private log: string | undefined
  private thrown: { error: unknown } | undefined

  /** `stop`: called where a callback has thrown. */
  constructor(
    private readonly audience: Audience,
    private readonly stop: () => void,
  ) {}

  /** Whether the run has told its end. */
  get isOver(): boolean {
    return this.end !== undefined || this.thrown !== undefined
  }

  hear(event: RunEvent): void {
    if (this.thrown) return
    try {
      this.#take(event)
    } catch (error) {
      this.thrown = { error }
      this.stop()
    }
  }

  /** The result, once no more events come. Throws what a callback threw, signal.reason, what was told, or ERR_PROCESS. */
  ended(exit: Omit<ForcedEnd, 'kept'>): unknown {
    const { thrown, end } = this
    const log = exit.log ?? this.log
    const { signal, latest } = this.audience
    if (thrown) throw thrown.error
    if (end?.event === 'done') return end.result
    const wasAsked = end ? end.error.code === 'ERR_INTERRUPTED' : isAsked(exit)
    if (signal.aborted && wasAsked) throw signal.reason
    throw end ? toldError(end.error) : endedByForce({ ...exit, kept: latest.checkpoint, log })
  }

  #take(event: RunEvent): void {
    const { emit, latest, onWarning, onNote, onProgress } = this.audience
    if (event.event === 'began') this.log = event.log
    else if (event.event === 'item') emit(event.item as never)
    else if (event.event === 'warning') onWarning?.(event.message)
    else if (event.event === 'note') onNote?.(event.message)
    else if (event.event === 'progress') onProgress?.(event.progress as never)
    else if (event.event === 'kept') latest.checkpoint = event.kept
    else this.end = event
  }
}

const isAsked = ({ signal, code }: Pick<ForcedEnd, 'signal' | 'code'>) =>
  signal === ASKED.signal || code === ASKED.code
