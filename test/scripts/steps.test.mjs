import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilerJobs } from '../../scripts/steps.mjs'

test('CMAKE_BUILD_PARALLEL_LEVEL says how many compilers run at a time', (t) => {
  const before = process.env.CMAKE_BUILD_PARALLEL_LEVEL
  t.after(() => {
    if (before === undefined) delete process.env.CMAKE_BUILD_PARALLEL_LEVEL
    else process.env.CMAKE_BUILD_PARALLEL_LEVEL = before
  })
  process.env.CMAKE_BUILD_PARALLEL_LEVEL = '7'
  assert.equal(compilerJobs(), 7)
  delete process.env.CMAKE_BUILD_PARALLEL_LEVEL
  assert.ok(compilerJobs() >= 1)
})
