/** FLAC files, decoded on a thread of their own. */
import { join } from 'node:path'
import { ioError } from '../checkpoint/json_file'
import { TaskThread } from '../text/task_thread'
import type { FlacAnswer, FlacTask } from './flac_worker'
import { audioError, CONVERT } from './formats'

const thread = new TaskThread<Omit<FlacTask, 'id'>, FlacAnswer>(join(__dirname, 'flac_worker.js'))

/** The samples of a file, mixed down, if there are not more than `most`. Throws ERR_AUDIO, ERR_NOT_FOUND, ERR_IO, `signal.reason`. */
export async function decodeFlac(path: string, most: number, signal?: AbortSignal): Promise<Float32Array> {
  const failure = ({ message }: Error) => notDecoded(path, message)
  const answer = await thread.ask({ path, most }, { failure, signal })
  if ('samples' in answer) return answer.samples
  const { problem, system } = answer
  throw system === undefined
    ? notDecoded(path, problem)
    : ioError(path, Object.assign(new Error(problem), { code: system }))
}

export const notDecoded = (path: string, problem: string) =>
  audioError(path, 'not_decoded', `cannot be decoded as FLAC: ${problem}`, CONVERT)
