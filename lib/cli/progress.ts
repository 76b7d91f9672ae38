// A line of progress on stderr. On a terminal it is redrawn in place with a bar, the rate and the time to go;
// elsewhere a line when the label changes and one every ten seconds, so that a log stays readable. A command may
// make its own line, and write a log for programs instead.

export interface ProgressUpdate {
  label: string
  done?: number | undefined
  total?: number | undefined
  /** What is counted; bytes are shown as MB or GB. */
  unit?: string | undefined
  /** Said after the figures: a loss, a scale. */
  note?: string | undefined
}

const REDRAW = 100 // ms
export const LOG_PACE = 10_000 // ms

type Screen = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean; columns?: number }

export class Progress {
  #label = ''
  #started = 0
  #from = 0
  #drawn = 0
  #open = false
  readonly #screen: Screen
  readonly #silent: boolean

  constructor(screen: Screen = process.stderr, { silent = false } = {}) {
    this.#screen = screen
    this.#silent = silent
  }

  /** Shows where the work is. May be called as often as one likes. */
  update(update: ProgressUpdate): void {
    if (this.#silent) return
    const now = performance.now()
    const fresh = update.label !== this.#label
    if (fresh) {
      if (this.#screen.isTTY) this.end()
      this.#label = update.label
      this.#started = now
      this.#from = update.done ?? 0 // what a resumed run finds done says nothing of the pace
    }
    const finished = update.total !== undefined && update.done === update.total
    if (!fresh && !finished && now - this.#drawn < (this.#screen.isTTY ? REDRAW : LOG_PACE)) return
    this.#drawn = now
    this.#draw(update, now - this.#started)
  }

  /** Whether there is a terminal to redraw a line on. */
  get live(): boolean {
    return this.#screen.isTTY === true
  }

  get columns(): number {
    return this.#screen.columns ?? 80
  }

  /** Redraws the line as this text, now and then; one that `stays` is always drawn, and the next begins below it. */
  line(text: string, { stays = false } = {}): void {
    const now = performance.now()
    if (this.#silent || (!stays && now - this.#drawn < REDRAW)) return
    this.#drawn = now
    this.#redraw(text)
    if (stays) this.end()
  }

  /** Writes a line of JSON: for logs that programs read. */
  log(record: object): void {
    if (!this.#silent) this.#screen.write(`${JSON.stringify(record)}\n`)
  }

  /** Leaves the line on the terminal as it is and starts a new one. */
  end(): void {
    if (this.#open) this.#screen.write('\n')
    this.#open = false
  }

  #draw(update: ProgressUpdate, elapsed: number): void {
    const line = progressLine(update, { elapsed, from: this.#from, withBar: this.#screen.isTTY === true })
    if (this.live) this.#redraw(line)
    else this.#screen.write(`${line}\n`)
  }

  #redraw(line: string): void {
    this.#screen.write(`\r\x1b[K${line.slice(0, this.columns - 1)}`)
    this.#open = true
  }
}

interface Drawing {
  /** Milliseconds since the label appeared. */
  elapsed: number
  /** What was done when it did. */
  from: number
  withBar: boolean
}

/** The text of one line: label, bar, count, rate and time to go, note. */
export function progressLine(update: ProgressUpdate, { elapsed, from, withBar }: Drawing): string {
  const { label, done, total, unit, note } = update
  const parts = [label]
  if (done !== undefined && total) {
    if (withBar) parts.push(bar(done / total))
    parts.push(count(done, total, unit))
    const pace = (done - from) / (elapsed / 1000)
    if (elapsed > 500 && pace > 0) {
      parts.push(unit === 'bytes' ? `${bytes(pace)}/s` : `${pace.toPrecision(3)}/s`)
      if (done < total) parts.push(`${duration((total - done) / pace)} to go`)
    }
  }
  if (done !== undefined && !total && unit) parts.push(unit === 'bytes' ? bytes(done) : `${done} ${unit}`)
  if (note) parts.push(note)
  return parts.join('  ')
}

function bar(share: number, width = 20): string {
  const filled = Math.round(width * Math.min(1, share))
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`
}

function count(done: number, total: number, unit?: string): string {
  if (unit === 'bytes') return `${bytes(done)} of ${bytes(total)}`
  return unit ? `${done} of ${total} ${unit}` : `${done} of ${total}`
}

/** `1.5 GB`: decimal units, as disks are sold. */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let step = 0
  for (; n >= 999.5 && step < units.length - 1; step++) n /= 1000
  return `${step === 0 ? Math.round(n) : n.toPrecision(3)} ${units[step]}`
}

/** `42 s`, `3 min 20 s`, `2 h 5 min`; from seconds. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
