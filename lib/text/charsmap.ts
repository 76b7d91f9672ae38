/**
 * The table of a SentencePiece normalizer: a double-array trie (darts-clone) and the texts that it replaces by. The
 * library follows its offsets without looking, so every step that a text could take is taken here first.
 */

/** Why a table is not followed; nothing where it may be. `encoded` is base64, as it stands in tokenizer.json. */
export function charsmapProblem(encoded: unknown): string | undefined {
  if (typeof encoded !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.length % 4 !== 0)
    return 'is no base64'
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.length < 4) return 'is shorter than the length of its trie'
  const size = bytes.readUInt32LE(0)
  if (size === 0 || size % 4 !== 0 || size > bytes.length - 4)
    return `has a trie of ${size} bytes, of ${bytes.length - 4} that are there`
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i))
  const texts = bytes.subarray(4 + size)
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(texts)
  } catch {
    return 'has texts that are no UTF-8'
  }
  return trieProblem(units, texts)
}

const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6)
const hasLeaf = (unit: number) => ((unit >>> 8) & 1) === 1
const LABEL = 0x800000ff
const VALUE = 0x7fffffff

function trieProblem(units: Uint32Array, texts: Buffer): string | undefined {
  const seen = new Uint8Array(units.length)
  const begins = [offsetOf(units[0]!)]
  for (let begin = begins.pop(); begin !== undefined; begin = begins.pop()) {
    for (let byte = 1; byte < 256; byte++) {
      const place = (begin ^ byte) >>> 0
      if (place >= units.length) return `leads out of its trie of ${units.length} units`
      const unit = units[place]!
      if ((unit & LABEL) >>> 0 !== byte || seen[place]) continue
      seen[place] = 1
      const next = (place ^ offsetOf(unit)) >>> 0
      if (next >= units.length) return `leads out of its trie of ${units.length} units`
      if (hasLeaf(unit) && !beginsText(texts, units[next]! & VALUE)) return 'leads out of its texts'
      begins.push(next)
    }
  }
  return undefined
}

/** Whether a text may be cut there: at its end, or where a character begins. */
const beginsText = (texts: Buffer, at: number) =>
  at <= texts.length && (texts[at] === undefined || (texts[at]! & 0xc0) !== 0x80)
