/** Reads the events of a run as they are written, by whatever process: none of them is missed or told twice. */
import { setTimeout } from 'node:timers/promises'
import { TongueforgeError } from '../../errors'
import { OpenFile } from '../../files'
import type { RunEvent } from './events'

export interface FollowOptions {
  /** Events that are known already. */
  skip?: number
  /** Whether more may come; not asked while something comes. */
  alive: () => boolean
  /** Fires where waiting makes no sense any more. */
  signal?: AbortSignal | undefined
}

const PACE = 50 // ms; a file on another machine tells nobody that it grows, so it is asked
const CHUNK = 1 << 16

/**
 * Gives events until no process is left to tell more. A line that its writer was killed in is left out. Throws what
 * opening the file does, ERR_DATA for a line that is none of ours.
 */
export async function* follow(
  file: string,
  { skip = 0, alive, signal }: FollowOptions,
): AsyncGenerator<RunEvent> {
  const handle = await OpenFile.open(file, 'r')
  try {
    const lines = new GrowingLines(handle)
    let [number, isOver] = [0, false]
    for (;;) {
      const more = await lines.more()
      for (const line of more) if (number++ >= skip) yield parsed(line, `${file}:${number}`)
      if (more.length > 0) continue
      if (isOver) return
      isOver = !alive() // what it wrote just before its end is read once more
      if (!isOver) await setTimeout(PACE, undefined, { signal }).catch(() => {})
    }
  } finally {
    await handle.close()
  }
}

/** The first event; undefined where it is not written yet. */
export async function firstEvent(file: string): Promise<RunEvent | undefined> {
  for await (const event of follow(file, { alive: () => false })) return event
  return undefined
}

class GrowingLines {
  private readonly chunk = Buffer.alloc(CHUNK)
  private position = 0
  private begun = Buffer.alloc(0)

  constructor(private readonly handle: OpenFile) {}

  /** Whole lines that are new; none: nothing is, for now. */
  async more(): Promise<string[]> {
    const lines: string[] = []
    while (lines.length === 0) {
      const count = await this.handle.read(this.chunk, this.position)
      if (count === 0) break
      this.position += count
      const text = Buffer.concat([this.begun, this.chunk.subarray(0, count)])
      const end = text.lastIndexOf('\n') + 1
      if (end > 0) lines.push(...text.toString('utf8', 0, end - 1).split('\n'))
      this.begun = text.subarray(end)
    }
    return lines
  }
}

function parsed(line: string, place: string): RunEvent {
  try {
    return JSON.parse(line) as RunEvent
  } catch (cause) {
    throw new TongueforgeError(
      'ERR_DATA',
      `${place}: expected an event of a run, received text that is not JSON`,
      { hint: 'Go on with the run by { resume: true }: it writes the file anew.', details: { place }, cause },
    )
  }
}
