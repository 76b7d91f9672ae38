// What a command that was stopped says: that it can go on, and how.
import { TongueforgeError, toTongueforgeError } from '../errors'

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
 * has left something. Rejects with what the work rejects with, and with the command that goes on.
 */
export async function resumable<Result>(work: (onKept: () => void) => Promise<Result>): Promise<Result> {
  let kept = false
  try {
    return await work(() => {
      kept = true
    })
  } catch (thrown) {
    if (!kept) throw thrown
    const { code, message, hint, details } = toTongueforgeError(thrown)
    const command = resumeCommand(process.argv.slice(2))
    throw new TongueforgeError(code, `${message}; what was written is kept`, {
      hint: code === 'ERR_INTERRUPTED' ? command : `${hint ?? 'Mend what failed.'} Then go on: ${command}`,
      details: { ...details, resumable: true },
      cause: thrown,
    })
  }
}
