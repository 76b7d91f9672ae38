// What a command that was stopped says: that it can go on, and how.
import { TongueforgeError } from '../errors'

/** As a shell reads it back. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** The command that goes on with a run: what `tongueforge` was given, and --resume. */
export function resumeCommand(args: readonly string[]): string {
  const words = args.filter((arg) => arg !== '--resume')
  return ['npx tongueforge', ...words.map(quoted), '--resume'].join(' ')
}

/**
 * Runs work that may leave something to go on from, and tells so when it does. `work` is given what to call where it
 * has left something. Rejects with ERR_INTERRUPTED (exit code 75) or with what the work rejects with.
 */
export async function resumable<Result>(work: (onKept: () => void) => Promise<Result>): Promise<Result> {
  let kept = false
  try {
    return await work(() => {
      kept = true
    })
  } catch (cause) {
    if (!kept) throw cause
    const { message, details } = cause as TongueforgeError
    throw new TongueforgeError('ERR_INTERRUPTED', `${message}; what was written is kept`, {
      hint: resumeCommand(process.argv.slice(2)),
      details: { ...details, resumable: true },
      cause,
    })
  }
}
