/** What a model is to read for a request, as ids. */
import type { Model } from '../verbs/model'

export type EncodePrompt = () => Promise<Int32Array>

interface Answers {
  /** To each prompt. */
  n: number
  /** Of the request: what is not encoded yet when its client leaves never is. */
  signal: AbortSignal
}

/**
 * Ids of each prompt, encoded once, whatever the number of its answers, and not at all where these would find no place:
 * a long text takes far longer to encode than to refuse. Throws ERR_QUEUE_FULL, what `encode` throws, and `signal.reason`.
 */
export async function encodedOnce(
  model: Model,
  prompts: readonly EncodePrompt[],
  { n, signal }: Answers,
): Promise<Int32Array[]> {
  model.checkRoom(n * prompts.length)
  const rows: Int32Array[] = []
  for (const encode of prompts) {
    signal.throwIfAborted()
    rows.push(await encode())
  }
  signal.throwIfAborted()
  return rows
}
