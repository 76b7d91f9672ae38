/** Ways through a space of scales. Each asks for one point after another, and only for which of two is better. */

/** What is searched: `measure` gives an outcome of a point, a number for each dimension. */
export interface Landscape<Outcome> {
  measure(point: readonly number[]): Promise<Outcome>
  isBetter(a: Outcome, b: Outcome): boolean
}

export interface Found<Outcome> {
  point: number[]
  outcome: Outcome
}

/** The same in every dimension: values to try, or a stretch to search down to a tolerance. */
export type Line = { values: readonly number[] } | { from: number; to: number; tolerance: number }

const INVERSE_PHI = (Math.sqrt(5) - 1) / 2

/** Every combination of the values; the first dimension changes last. */
export async function grid<Outcome>(
  values: readonly number[],
  dimensions: number,
  landscape: Landscape<Outcome>,
): Promise<Found<Outcome>> {
  let best: Found<Outcome> | undefined
  for (const point of combinations(values, dimensions)) best = await better(best, point, landscape)
  return best!
}

function* combinations(values: readonly number[], dimensions: number): Generator<number[]> {
  if (dimensions === 0) return yield []
  for (const first of values) for (const rest of combinations(values, dimensions - 1)) yield [first, ...rest]
}

/**
 * The minimum of a function with one valley, by golden sections (Kiefer 1953): within `tolerance` after
 * goldenMeasurements(...) points, each a new one.
 */
export async function goldenSection<Outcome>(
  { from, to, tolerance }: { from: number; to: number; tolerance: number },
  landscape: Landscape<Outcome>,
): Promise<Found<Outcome>> {
  const at = async (x: number) => ({ point: [x], outcome: await landscape.measure([x]) })
  let [low, high] = [from, to]
  let left = await at(high - (high - low) * INVERSE_PHI)
  let right = await at(low + (high - low) * INVERSE_PHI)
  for (let left_to_do = sections(to - from, tolerance); left_to_do > 0; left_to_do--) {
    if (landscape.isBetter(right.outcome, left.outcome)) {
      low = left.point[0]!
      left = right
      right = await at(low + (high - low) * INVERSE_PHI)
    } else {
      high = right.point[0]!
      right = left
      left = await at(high - (high - low) * INVERSE_PHI)
    }
  }
  return landscape.isBetter(right.outcome, left.outcome) ? right : left
}

/** Points that goldenSection asks for. */
export const goldenMeasurements = (width: number, tolerance: number) => 2 + sections(width, tolerance)

// How often a stretch is cut until it is no wider than the tolerance.
const sections = (width: number, tolerance: number) =>
  Math.max(0, Math.ceil(Math.log(tolerance / width) / Math.log(INVERSE_PHI)))

/**
 * One dimension after another, each along its whole line with the others held, until a round changes nothing (by more
 * than the tolerance) or `rounds` are done.
 */
export async function coordinate<Outcome>(
  start: readonly number[],
  line: Line,
  rounds: number,
  landscape: Landscape<Outcome>,
): Promise<Found<Outcome>> {
  let best: Found<Outcome> = { point: [...start], outcome: await landscape.measure(start) }
  for (let round = 0; round < rounds; round++) {
    const before = best.point
    for (const dimension of start.keys()) best = await alongLine(best, dimension, line, landscape)
    const moved = Math.max(...before.map((x, i) => Math.abs(x - best.point[i]!)))
    if (moved <= ('tolerance' in line ? line.tolerance : 0)) break
  }
  return best
}

async function alongLine<Outcome>(
  from: Found<Outcome>,
  dimension: number,
  line: Line,
  landscape: Landscape<Outcome>,
): Promise<Found<Outcome>> {
  const moved = ([x]: readonly number[]) => from.point.with(dimension, x!)
  const across = { ...landscape, measure: (x: readonly number[]) => landscape.measure(moved(x)) }
  const { point, outcome } =
    'values' in line ? await grid(line.values, 1, across) : await goldenSection(line, across)
  return landscape.isBetter(outcome, from.outcome) ? { point: moved(point), outcome } : from
}

async function better<Outcome>(
  best: Found<Outcome> | undefined,
  point: number[],
  { measure, isBetter }: Landscape<Outcome>,
): Promise<Found<Outcome>> {
  const outcome = await measure(point)
  return best === undefined || isBetter(outcome, best.outcome) ? { point, outcome } : best
}
