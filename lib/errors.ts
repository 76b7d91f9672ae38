/** What an error can say besides its message; keys are stable, values are numbers or text. */
export type ErrorDetails = Record<string, unknown>

export interface ErrorOptions {
  /** What to do next, best as a command to type. */
  hint?: string | undefined
  /** The facts behind the message: file, key, expected, received... */
  details?: ErrorDetails | undefined
  cause?: unknown
}

/** A message repeats what came from files: so much of it is read by nobody. */
const MAX_CHARACTERS = 2000
/** All but tab and line end. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** Control characters of somebody else's text as escapes, for a terminal would obey them; what is very long is cut in the middle. */
function readable(text: string): string {
  const half = MAX_CHARACTERS / 2 - 8
  const short = text.length <= MAX_CHARACTERS ? text : `${text.slice(0, half)} [...] ${text.slice(-half)}`
  return short.replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** Every failure of tongueforge: a stable `code`, a message that names the place, a hint that says what to do next. */
export class TongueforgeError extends Error {
  override readonly name = 'TongueforgeError'
  readonly code: string
  readonly hint: string | undefined
  readonly details: ErrorDetails

  constructor(code: string, message: string, { hint, details = {}, cause }: ErrorOptions = {}) {
    super(readable(message), cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint && readable(hint)
    this.details = details
  }

  /** The shape printed by every command under `--json`. */
  toJSON(): { code: string; message: string; hint: string | undefined; details: ErrorDetails } {
    return { code: this.code, message: this.message, hint: this.hint, details: this.details }
  }
}

/** What stands against a plan, as native code tells it. */
export type Problem = Readonly<{ code: string; message: string; hint: string }>

/** Throws the first problem of a plan, if there is one, with all of them as details. */
export function throwFirst(problems: readonly Problem[]): void {
  const [problem] = problems
  if (problem === undefined) return
  throw new TongueforgeError(problem.code, problem.message, { hint: problem.hint, details: { problems } })
}

/** Makes a TongueforgeError of whatever was thrown: native errors keep their code, hint and details. */
export function toTongueforgeError(thrown: unknown): TongueforgeError {
  if (thrown instanceof TongueforgeError) return thrown
  const error = (thrown ?? {}) as { code?: unknown; message?: unknown; hint?: unknown; details?: unknown }
  return new TongueforgeError(
    typeof error.code === 'string' ? error.code : 'ERR_INTERNAL',
    typeof error.message === 'string' ? error.message : String(thrown),
    {
      hint: typeof error.hint === 'string' && error.hint !== '' ? error.hint : undefined,
      details: (error.details as ErrorDetails | undefined) ?? {},
      cause: thrown,
    },
  )
}
