/** A file of JSON lines that grows with the steps of a run, and after a resume has none that the run took back. */
import { existsSync } from 'node:fs'
import { ioError } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import { readFile } from '../../files'
import { appendFile, replaceFile } from '../../writes'

export class StepLines<Line extends { step: number }> {
  /** `content` is what a line holds, as errors say it. */
  constructor(
    private readonly path: string,
    private readonly content: string,
  ) {}

  record(...lines: readonly Line[]): Promise<void> {
    return appendFile(this.path, textOf(lines))
  }

  /** All of them; none where there is no file. Throws ERR_DATA, ERR_IO. */
  async read(): Promise<Line[]> {
    const text = await readFile(this.path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      // Only then: what cannot be read must not be taken for nothing, and written over.
      if (error.code === 'ENOENT') return ''
      throw ioError(this.path, error)
    })
    const rows = text.split('\n').slice(0, -1)
    return rows.map((row, i) => this.#parse(row, `${this.path}:${i + 1}`))
  }

  /** Reads the lines up to a step; what an interrupted run wrote after its last checkpoint is dropped. */
  async keep(step: number): Promise<Line[]> {
    const kept = (await this.read()).filter((line) => line.step <= step)
    // Also where there is no whole line: what comes next must not be appended to the half of one.
    if (existsSync(this.path)) await this.write(kept)
    return kept
  }

  /** By a rename: a run that is killed here loses none of them. Throws ERR_NO_SPACE or ERR_IO. */
  write(all: readonly Line[]): Promise<void> {
    return replaceFile(this.path, textOf(all))
  }

  #parse(text: string, place: string): Line {
    try {
      return JSON.parse(text) as Line
    } catch (cause) {
      throw new TongueforgeError(
        'ERR_DATA',
        `${place}: expected a line of ${this.content}, received text that is not JSON`,
        {
          hint: 'Delete that line to go on, or start again with --overwrite.',
          details: { place },
          cause,
        },
      )
    }
  }
}

const textOf = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('')
