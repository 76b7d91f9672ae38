import assert from 'node:assert/strict'
import { test } from 'node:test'
import { histogramText } from '#lib/cli/histogram'

test('bars are as long as bins are full, a document is never invisible, and the cut is marked', () => {
  const histogram = [
    { from: 7.94328, to: 10, documents: 1, tokens: 9 },
    { from: 10, to: 12.5893, documents: 80, tokens: 700 },
    { from: 12.5893, to: 15.8489, documents: 0, tokens: 0 },
    { from: 15.8489, to: null, documents: 40, tokens: 100 },
  ]
  assert.equal(
    histogramText({ histogram, max_perplexity: 15 }),
    [
      'perplexity, documents',
      '    7.94 to 10  █ 1',
      `  10 to 12.6  ${'█'.repeat(40)} 80`.replace('  10', '    10'),
      '  12.6 to 15.8   0  <- max_perplexity 15',
      `   15.8 to ...  ${'█'.repeat(20)} 40`,
      '',
    ].join('\n'),
  )
  assert.doesNotMatch(histogramText({ histogram }), /max_perplexity/)
})
