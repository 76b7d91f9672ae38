// What a command is: a table row of facts and one action. main.ts makes commander's commands of these.
import type { Progress } from './progress'

export interface Option {
  /** In commander's notation: `--seed <n>`, `--json`. */
  flags: string
  description: string
  /** Makes the value of the text after the flag; throws ERR_USAGE. `previous` holds earlier ones, for repeatable flags. */
  parse?: (text: string, flag: string, previous: unknown) => unknown
  required?: true
}

export interface Argument {
  /** `<model>`, `[key=value...]`. */
  name: string
  description: string
}

/** How an action speaks: results to stdout, everything else to stderr and not under --quiet. */
export interface Io {
  json: boolean
  quiet: boolean
  /** Results may be coloured: stdout is a terminal, and NO_COLOR is not set. */
  colour: boolean
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  signal: AbortSignal
  progress: Progress
  /** Text of the result, as it comes. */
  write(text: string): void
  /** A line for the human, on stderr. */
  say(line: string): void
  /** Ends lines that are still open on the terminal. */
  end(): void
}

export interface Verb<Values = Record<string, unknown>> {
  name: string
  summary: string
  arguments: Argument[]
  options: Option[]
  /** Commands that work as they stand, after `tongueforge`; shown at the head of the help. */
  examples: string[]
  /** Resolves with an exit code where it is not 0. `args` are the arguments, a variadic one as a list. */
  run(args: Arguments, values: Values, io: Io): Promise<number | undefined>
}

// biome-ignore lint/suspicious/noExplicitAny: the table above says which argument is text and which a list
export type Arguments = any[]

/** Gives a definition the types of its options; a list of verbs forgets them again. */
export function defineVerb<Values>(verb: Verb<Values>): Verb {
  return verb as unknown as Verb
}
