/** How far apart two sequences are: insertions, deletions and substitutions that make one of the other (Levenshtein). */
export function editDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const replaced = row[j]! + Number(a[i] !== b[j])
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
