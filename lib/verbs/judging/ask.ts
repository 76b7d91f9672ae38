/** What is missing of the judgments of one model on one task is asked for, several at a time. */
import { abortWith } from '../../abort'
import type { JudgeConfig } from '../../config/judge'
import { TongueforgeError } from '../../errors'
import type { JudgeClient } from './client'
import type { JudgeRequest, Judgments } from './judgments'

export interface AskOptions {
  signal: AbortSignal
  onWarning?: ((message: string) => void) | undefined
  /** Called with all that are there, of all that there will be. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined
  /** Called once a judgment is on the disk. */
  onKept?: (() => void) | undefined
}

/** So many refusals, and nothing else: it is not the prompts that are wrong. */
const REFUSALS = 5

/** Resolves with how many were asked for. Throws ERR_JUDGE, ERR_IO, ERR_NO_SPACE, `signal.reason`; what was told is kept. */
export async function askForMissing(
  client: JudgeClient,
  requests: readonly JudgeRequest[],
  judgments: Judgments,
  { model, concurrency }: Pick<JudgeConfig, 'model' | 'concurrency'>,
  { signal, onWarning, onProgress, onKept }: AskOptions,
): Promise<number> {
  const missing = judgments.missing
  const refusals = new Refusals(missing.length)
  const failed = new AbortController()
  const letGo = abortWith(failed, signal)
  const total = requests.length
  let next = 0
  let done = total - missing.length
  onProgress?.({ done, total })
  const work = async () => {
    while (next < missing.length) {
      failed.signal.throwIfAborted()
      const step = missing[next++]!
      const reply = await client.ask(requests[step]!.prompt.messages, { signal: failed.signal, onWarning })
      await judgments.add(step, model, reply)
      onKept?.()
      onProgress?.({ done: ++done, total })
      if (judgments.answered === 0) refusals.count(reply.refused)
    }
  }
  const workers = Array.from({ length: Math.min(concurrency, missing.length) }, () =>
    work().catch((error) => {
      failed.abort(error)
      throw error
    }),
  )
  // All have ended before the first failure is told: nobody writes any more.
  const ended = await Promise.allSettled(workers)
  letGo()
  signal.throwIfAborted()
  if (failed.signal.aborted) throw failed.signal.reason
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  return missing.length
}

class Refusals {
  #count = 0

  constructor(private readonly asked: number) {}

  count(refused: string | undefined): void {
    if (refused === undefined || ++this.#count < Math.min(REFUSALS, this.asked)) return
    throw new TongueforgeError('ERR_JUDGE', `Expected a reply of the judge, received ${refused}`, {
      hint: 'Its endpoint takes none of the requests: judge.model and judge.request have what is sent.',
      details: { refused },
    })
  }
}
