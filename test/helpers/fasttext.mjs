// Answers of our reader against those of fastText.
import assert from 'node:assert/strict'
import { native, runJob } from '#lib/native'

/** Of each text all labels with their probabilities: [[label, probability], ...], best first. */
export async function labelsOf(path, texts, topK = 10_000) {
  const { model } = await runJob('openFastText', { path })
  try {
    const found = await runJob('fastTextLabels', { model, texts, top_k: topK })
    return found.map((guesses) => guesses.map(({ label, probability }) => [label, probability]))
  } finally {
    native().dispose(model)
  }
}

/**
 * fastText leaves out what a tree gives less than 1e-5: ours may tell more, never less, and in its order but for what is
 * as likely. Answers with the largest difference of probabilities.
 */
export function assertSameLabels(ours, theirs, texts, tolerance = 1e-5) {
  let largest = 0
  for (const [i, expected] of theirs.entries()) {
    const probabilities = new Map(ours[i])
    const said = JSON.stringify(texts[i])
    for (const [label, probability] of expected) {
      const difference = Math.abs(probabilities.get(label) - probability)
      assert.ok(difference <= tolerance, `${said}: ${label} ${probabilities.get(label)}, not ${probability}`)
      largest = Math.max(largest, difference)
    }
    for (const [place, [, probability]] of expected.entries())
      assert.ok(Math.abs(ours[i][place][1] - probability) <= tolerance, `${said}: place ${place}`)
    for (const [label, probability] of ours[i].slice(expected.length))
      assert.ok(probability <= 2e-5, `${said}: ${label} ${probability} is not told by fastText`)
  }
  return largest
}
