/** Which of two points is better, under several objectives: a weighted sum, within limits. */

export interface Aim {
  name: string
  /** Of its value in the sum that is made small. */
  weight: number
  /** Its value is to be no larger. */
  limit: number | undefined
}

export interface Verdict {
  /** Weighted sum of the values. */
  score: number
  /** By how much values are over their limits, together; 0: the point is allowed. */
  excess: number
}

/** A value that is not a number is over every limit and makes no sum small. */
export function judge(values: Record<string, number>, aims: readonly Aim[]): Verdict {
  let [score, excess] = [0, 0]
  for (const { name, weight, limit } of aims) {
    const value = Number.isFinite(values[name]) ? values[name]! : Number.POSITIVE_INFINITY
    if (weight > 0) score += weight * value
    if (limit !== undefined) excess += Math.max(0, value - limit)
  }
  return { score, excess }
}

/** What is within the limits beats what is not; then the smaller sum. */
export function isBetter(a: Verdict, b: Verdict): boolean {
  return a.excess === b.excess ? a.score < b.score : a.excess < b.excess
}

/** The points of which no other is as good in every value and better in one; those with a value that is no number are none. */
export function paretoSet<Point extends { values: Record<string, number> }>(
  points: readonly Point[],
  names: readonly string[],
): Point[] {
  const dominates = (a: Point, b: Point) =>
    names.every((name) => a.values[name]! <= b.values[name]!) &&
    names.some((name) => a.values[name]! < b.values[name]!)
  const able = points.filter(({ values }) => names.every((name) => Number.isFinite(values[name])))
  return able.filter((point) => !able.some((other) => dominates(other, point)))
}
