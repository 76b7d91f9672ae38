/** Frames of utterances, worked out when they are asked for; the first ones asked for stay in memory. */
import type { FrontEnd } from './front_end'
import type { Utterance } from './list'
import { hear } from './stream'

export interface Frames {
  /** (places, width) */
  data: Float32Array
  width: number
}

/** 1.4 hours of frames of 10 ms and 40 numbers. */
const KEPT_BYTES = 80e6

export class HeardFrames {
  private readonly kept = new Map<string, Promise<Frames>>()
  private bytes = 0

  constructor(
    private readonly frontEnd: FrontEnd,
    private readonly signal: AbortSignal,
  ) {}

  /** Throws ERR_AUDIO, ERR_NOT_FOUND, ERR_IO. */
  of(utterance: Utterance): Promise<Frames> {
    const known = this.kept.get(utterance.path)
    if (known) return known
    const frames = this.hear(utterance)
    const bytes = 4 * this.numbersOf(utterance)
    if (this.bytes + bytes > KEPT_BYTES) return frames
    this.bytes += bytes
    this.kept.set(utterance.path, frames)
    return frames
  }

  private numbersOf({ samples, rate }: Utterance): number {
    const { width, rate: own } = this.frontEnd
    return width > 0 ? this.frontEnd.places(samples, rate) * width : Math.ceil((samples * own) / rate)
  }

  // On one thread: others train meanwhile.
  private async hear(utterance: Utterance): Promise<Frames> {
    const { sound } = await hear(utterance, this.frontEnd, { signal: this.signal, threads: 1 })
    return sound
  }
}
