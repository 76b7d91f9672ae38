// Whether a job has said what it said before. On the CPU that is the same to the bit; on a GPU numbers may have other last
// bits, as the products of matrices are done in an order that depends on where in memory they lie.
import assert from 'node:assert/strict'

const NEAR = 1e-4 // of the number, or of 1

/** Throws unless `said` is `expected`. `device`: where it was computed. */
export function assertSame(said, expected, what, device = 'cpu') {
  if (device === 'cpu') assert.deepEqual(said, expected, what)
  else assertNear(said, expected, what)
}

function assertNear(said, expected, what) {
  if (typeof expected === 'number') {
    const far = Math.abs(said - expected)
    assert.ok(far <= NEAR * Math.max(1, Math.abs(expected)), `${what}: ${said}, expected ${expected}`)
  } else if (expected !== null && typeof expected === 'object') {
    assert.deepEqual(Object.keys(said), Object.keys(expected), what)
    for (const key of Object.keys(expected)) assertNear(said[key], expected[key], what)
  } else assert.equal(said, expected, what)
}
