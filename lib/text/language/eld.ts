/** The language detector `eld`, on a thread of its own. */
import { join } from 'node:path'
import { TongueforgeError } from '../../errors'
import { TaskThread } from '../task_thread'
import type { EldGuess, LanguageAnswer, LanguageTask } from './eld_worker'

const thread = new TaskThread<Omit<LanguageTask, 'id'>, LanguageAnswer>(join(__dirname, 'eld_worker.js'))

/** What the detector says of each text. Rejects with `signal.reason`. */
export async function detectByEld(texts: readonly string[], signal?: AbortSignal): Promise<EldGuess[]> {
  const { guesses } = await thread.ask({ texts }, { failure, signal })
  return guesses
}

const failure = (cause: Error) =>
  new TongueforgeError('ERR_INTERNAL', `the language detector failed: ${cause.message}`, { cause })
