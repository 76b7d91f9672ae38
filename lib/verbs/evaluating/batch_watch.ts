/** Hears the tokens of several answers as they come, and knows when there is nothing left to wait for. */
import type { Answer } from '../../tasks/generation'
import { StopStrings } from '../../text/stop_strings'
import type { StreamDecoder } from '../../text/stream_decoder'

interface Row {
  decoder: StreamDecoder
  stop: StopStrings
  text: string
  /** Tokens of the answer; and all that were heard, those behind a stop string too. */
  tokens: number
  heard: number
}

/** Of a batch whose rows take their tokens in turns: one a row and step, in the order of the rows. */
export class BatchWatch {
  readonly #rows: readonly Row[]
  #over = false

  constructor(decoders: readonly StreamDecoder[], stop: readonly string[]) {
    this.#rows = decoders.map((decoder) => {
      return { decoder, stop: new StopStrings(stop), text: '', tokens: 0, heard: 0 }
    })
  }

  /** Each row has found a stop string, or said its last: whatever still comes is of no use. */
  get over(): boolean {
    return this.#over
  }

  take({ row, id }: { row: number; id: number }): void {
    const one = this.#rows[row]!
    one.heard++
    if (!one.stop.found) {
      one.tokens++
      one.text += one.stop.push(one.decoder.push(id))
    }
    if (one.stop.found) this.#over ||= this.#rows.every((other, i) => other.stop.found || ended(other, i))

    // Who still goes on has had its turn of this step where it stands before this row, else that of the step before.
    function ended(other: Row, i: number): boolean {
      return other.heard < (i < row ? one.heard : one.heard - 1)
    }
  }

  /** `reasons`: why each row ended; none where it was not waited for. */
  answers(reasons?: readonly Answer['finish_reason'][]): Answer[] {
    return this.#rows.map(({ decoder, stop, text, tokens }, i) => {
      const rest = stop.push(decoder.flush()) + stop.flush()
      const finish_reason = stop.found ? 'stop' : (reasons?.[i] ?? 'stop')
      return { text: text + rest, finish_reason, tokens }
    })
  }
}
