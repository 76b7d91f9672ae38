// The ways through scales, on functions whose minimum is known.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coordinate, goldenMeasurements, goldenSection, grid } from '#lib/verbs/sweep/search'
import { random, seed } from '../../helpers/stress.mjs'

const draw = random(seed)

/** A landscape over a function, which counts what is asked for. */
function landscape(height) {
  const asked = []
  return {
    asked,
    isBetter: (a, b) => a < b,
    async measure(point) {
      asked.push([...point])
      return height(point)
    },
  }
}

test(`golden sections find the bottom of a valley within the tolerance, in the foretold number of points (seed ${seed})`, async () => {
  for (let round = 0; round < 200; round++) {
    const from = 4 * draw() - 2
    const width = 0.1 + 3 * draw()
    const bottom = from + width * draw()
    const tolerance = width * 10 ** -(1 + 3 * draw())
    const power = 1 + 3 * draw() // valleys of many shapes
    const land = landscape(([x]) => Math.abs(x - bottom) ** power)
    const { point, outcome } = await goldenSection({ from, to: from + width, tolerance }, land)
    assert.ok(Math.abs(point[0] - bottom) <= tolerance, `${point[0]} for ${bottom}`)
    assert.equal(outcome, Math.abs(point[0] - bottom) ** power)
    assert.equal(land.asked.length, goldenMeasurements(width, tolerance))
    assert.equal(new Set(land.asked.map(String)).size, land.asked.length, 'no point is asked for twice')
    for (const [x] of land.asked) assert.ok(x > from && x < from + width)
  }
})

test('a line of 1.2 to a tolerance of 0.02 takes eleven points', () => {
  assert.equal(goldenMeasurements(1.2, 0.02), 11)
  assert.equal(goldenMeasurements(1, 2), 2)
})

test('at an end of the line golden sections come within the tolerance of it', async () => {
  for (const slope of [1, -1]) {
    const { point } = await goldenSection(
      { from: 0, to: 1, tolerance: 0.01 },
      landscape(([x]) => slope * x),
    )
    assert.ok(Math.abs(point[0] - (slope > 0 ? 0 : 1)) <= 0.01)
  }
})

test('a grid asks for every combination once and finds the best', async () => {
  const land = landscape(([x, y]) => (x - 1) ** 2 + (y - 0.5) ** 2)
  const found = await grid([0, 0.5, 1], 2, land)
  assert.deepEqual(found, { point: [1, 0.5], outcome: 0 })
  assert.equal(new Set(land.asked.map(String)).size, 9)
  assert.deepEqual(land.asked.slice(0, 4), [
    [0, 0],
    [0, 0.5],
    [0, 1],
    [0.5, 0],
  ])
})

test(`coordinate search finds the bottom of a bowl, in one round where the axes are its own (seed ${seed})`, async () => {
  for (let round = 0; round < 30; round++) {
    const bottom = Array.from({ length: 3 }, () => draw())
    const weights = bottom.map(() => 0.5 + draw())
    const bowl = (point) => point.reduce((sum, x, i) => sum + weights[i] * (x - bottom[i]) ** 2, 0)
    const line = { from: 0, to: 1, tolerance: 0.001 }
    const land = landscape(bowl)
    const { point } = await coordinate([0.5, 0.5, 0.5], line, 1, land)
    for (const [i, x] of point.entries()) assert.ok(Math.abs(x - bottom[i]) <= line.tolerance)
    assert.equal(land.asked.length, 1 + 3 * goldenMeasurements(1, line.tolerance))
  }
})

test('where the axes of a bowl are askew, rounds come nearer, and a round that changes nothing is the last', async () => {
  const bowl = ([x, y]) => (x - 0.4) ** 2 + (y - 0.7) ** 2 + 1.2 * (x - 0.4) * (y - 0.7)
  const line = { from: 0, to: 1, tolerance: 1e-4 }
  const far = async (rounds) => {
    const { point } = await coordinate([1, 0], line, rounds, landscape(bowl))
    return Math.hypot(point[0] - 0.4, point[1] - 0.7)
  }
  assert.ok((await far(2)) < (await far(1)))
  assert.ok((await far(50)) < 1e-3)
  const land = landscape(bowl)
  await coordinate([1, 0], line, 1000, land)
  assert.ok(land.asked.length < 40 * goldenMeasurements(1, 1e-4))
})

test('coordinate search over listed values keeps the point that it begins with if no value is better', async () => {
  const land = landscape(([x, y]) => Math.abs(x - 0.3) + Math.abs(y - 1))
  const { point } = await coordinate([0.3, 0], { values: [0, 1] }, 5, land)
  assert.deepEqual(point, [0.3, 1])
  assert.equal(land.asked.length, 1 + 2 * 4) // a round that moves, and one that does not
})
