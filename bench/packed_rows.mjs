// Rows of packed documents for benches of training, the same for the same seed.

/**
 * Rows full of documents of 16 to 16 + `spread` tokens (the last one of a row is cut), or of one document each.
 * @returns {{rows: number, ids: number[], labels: number[], segments: number[], positions: number[]}} rows end to end
 */
export function packedRows(random, { rows, length, vocabulary, spread, whole }) {
  const batch = { rows, ids: [], labels: [], segments: [], positions: [] }
  for (let row = 0; row < rows; row++) {
    for (let segment = 0, filled = 0; filled < length; segment++) {
      const size = whole ? length : Math.min(16 + Math.floor(spread * random()), length - filled)
      for (let position = 0; position < size; position++) {
        const id = Math.floor(vocabulary ** random()) - 1 // few tokens are frequent, many are rare
        batch.ids.push(id)
        batch.labels.push(position === 0 ? -100 : id)
        batch.segments.push(segment)
        batch.positions.push(position)
      }
      filled += size
    }
  }
  return batch
}

/** Numbers from 0 to 1 (mulberry32). */
export function uniform(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
