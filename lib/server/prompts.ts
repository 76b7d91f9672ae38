/** What a model is to read for a request, as ids. */
import { toTongueforgeError } from '../errors'
import type { Model } from '../verbs/model'
import { RequestError } from './errors'

export type EncodePrompt = () => Promise<Int32Array>

interface Answers {
  /** To each prompt. */
  n: number
  /** Of the request: what is not encoded yet when its client leaves never is. */
  signal: AbortSignal
}

/**
 * Ids of each prompt, encoded once, whatever the number of its answers, and not at all where these would find no place:
 * a long text takes far longer to encode than to refuse. Throws RequestError, ERR_QUEUE_FULL, what `encode` throws, and `signal.reason`.
 */
export async function encodedOnce(
  model: Model,
  prompts: readonly EncodePrompt[],
  { n, signal }: Answers,
): Promise<Int32Array[]> {
  checkRoom(model, prompts.length, n)
  const rows: Int32Array[] = []
  for (const encode of prompts) {
    signal.throwIfAborted()
    rows.push(await encode())
  }
  signal.throwIfAborted()
  return rows
}

/** Answers that can never be at a time are a mistake of the request: to try again would not help. */
function checkRoom(model: Model, prompts: number, n: number): void {
  try {
    model.checkRoom(prompts * n)
  } catch (error) {
    const { most } = toTongueforgeError(error).details
    if (typeof most !== 'number' || prompts * n <= most) throw error
    const param = n > 1 ? 'n' : 'prompt'
    throw new RequestError(
      `${param}: expected at most ${most} answers to a request, as many as may run and wait, received ${prompts * n}`,
      { status: 400, code: 'invalid_value', param },
    )
  }
}
