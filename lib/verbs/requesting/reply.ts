/** Reads what an endpoint answers, so much of it as may be held: whoever answers may be a stranger, or broken. */

/**
 * Of one reply, unpacked. A chat completion of 100,000 tokens has about half a megabyte; what is longer is no reply to
 * what was asked.
 */
export const MAX_REPLY_BYTES = 4 * 2 ** 20
/** Of a reply that is no success only its first words are shown. */
const MAX_REFUSAL_BYTES = 2 ** 16

/** A reply that cannot be taken, in words that go on after "received". */
export class BadReply extends Error {
  constructor(
    message: string,
    /** Whether another attempt may fare better. */
    readonly passing: boolean,
  ) {
    super(message)
  }
}

/**
 * The text of a reply. Of a refusal the beginning; of a success all of it, of at most MAX_REPLY_BYTES after unpacking,
 * in UTF-8. Nothing is read beyond the bound. Throws BadReply, and what the connection does.
 */
export async function textOf(response: Response): Promise<string> {
  if (!response.ok) return new TextDecoder().decode((await firstBytes(response, MAX_REFUSAL_BYTES)).bytes)
  const { bytes, whole } = await firstBytes(response, MAX_REPLY_BYTES)
  if (!whole) throw new BadReply(`a reply of more than ${MAX_REPLY_BYTES} bytes${packing(response)}`, false)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new BadReply('a reply that is no UTF-8', true)
  }
}

const packing = ({ headers }: Response) => {
  const encoding = headers.get('content-encoding')
  return encoding === null ? '' : ` (unpacked, content-encoding: ${encoding.slice(0, 40)})`
}

async function firstBytes(response: Response, most: number): Promise<{ bytes: Uint8Array; whole: boolean }> {
  const parts: Uint8Array[] = []
  let size = 0
  // Unpacked as it is read: a reply that grows a thousand times is left behind at the bound like any other.
  for await (const part of response.body ?? []) {
    parts.push(part)
    size += part.byteLength
    if (size > most) return { bytes: Buffer.concat(parts, most), whole: false } // leaving the loop ends the connection
  }
  return { bytes: Buffer.concat(parts, size), whole: true }
}
