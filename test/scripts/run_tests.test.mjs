import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testFiles } from '../../scripts/run_tests.mjs'
import { expectReports } from '../../scripts/test_sanitizers.mjs'

test('words that choose no test file are refused', () => {
  assert.ok(testFiles(['test/stress'], ['abort']).length > 0)
  assert.throws(() => testFiles(['test/stress', 'test/hostile'], ['nosuch']), {
    message: 'no test file matches nosuch',
  })
})

test('a tool that starts the programs of the sanitizers and is not there is told', () => {
  assert.throws(() => expectReports({ leak: 'x' }, 'program', ['no-such-tool']), {
    message: /no-such-tool could not be started: .*ENOENT/,
  })
})
