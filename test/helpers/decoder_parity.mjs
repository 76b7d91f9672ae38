// The checks of one decoder folder against its expected.safetensors (layout: test/parity/decoder_expected.py). The
// golden tests run them over stored folders, the parity tests over folders that transformers made a moment ago.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { loadModel } from 'tongueforge'
import { readArrays, rows } from './safetensors.mjs'

// Two float32 programs that add in different orders come out about 2e-6 apart on these models.
const LOGITS_TOLERANCE = 1e-5
const NLL_TOLERANCE = 1e-4
const NEAR_TIE = 1e-3 // from here on, rounding may choose the other token

/** Registers the checks as subtests of `t`. */
export async function checkDecoder(t, folder) {
  const expected = readArrays(join(folder, 'expected.safetensors'))
  // One thread: on a busy machine two of them wait for each other longer than these models take.
  const model = await loadModel(folder, { dtype: 'float32', threads: 1 })
  try {
    await t.test('logits agree to 1e-5 of the largest', () => checkLogits(model, expected))
    await t.test('greedy text is the same up to the first near tie', () => checkGreedy(model, expected))
    await t.test('prompts of different lengths in one call answer as if alone', () =>
      checkTogether(model, expected),
    )
    await t.test('the likelihood of a text agrees to 1e-4', () => checkLikelihood(model, expected))
  } finally {
    await model.dispose()
  }
}

async function checkLogits(model, { ids, logits }) {
  const { data, shape } = await model.logits(rows(ids))
  assert.deepEqual([...shape], logits.shape)
  assertClose(data, logits.data, LOGITS_TOLERANCE)
}

/** max |a - b| <= tolerance * max |b|, and the same number of elements. */
export function assertClose(received, expected, tolerance, what = 'logits') {
  assert.equal(received.length, expected.length, `${what}: number of elements`)
  let [worst, at, largest] = [0, 0, 0]
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]))
    const distance = Math.abs(received[i] - expected[i])
    if (!(distance <= worst)) [worst, at] = [distance, i] // NaN counts as the worst
  }
  const message = `${what}[${at}]: expected ${expected[at]}, received ${received[at]}, largest ${largest}`
  assert.ok(worst <= tolerance * largest, message)
}

async function checkGreedy(model, expected) {
  for (const text of greedyTexts(expected)) {
    const [answer] = await model.generateIds([text.prompt], options(text))
    assertSameText(answer, text)
  }
}

async function checkTogether(model, expected) {
  const texts = greedyTexts(expected)
  const answers = await model.generateIds(
    texts.map((text) => text.prompt),
    options(texts[0]),
  )
  assert.equal(answers.length, texts.length)
  for (const [i, text] of texts.entries()) assertSameText(answers[i], text)
}

function greedyTexts(expected) {
  const texts = []
  for (let i = 0; expected[`prompt.${i}`]; i++) {
    const [prompt, greedy, gap] = ['prompt', 'greedy', 'gap'].map((name) => [
      ...expected[`${name}.${i}`].data,
    ])
    const tie = gap.findIndex((distance) => distance <= NEAR_TIE)
    texts.push({ prompt, greedy, sure: tie < 0 ? greedy.length : tie })
  }
  return texts
}

function options({ greedy }) {
  return { maxNewTokens: greedy.length, stopIds: [] }
}

function assertSameText({ ids, finish_reason }, { greedy, sure }) {
  assert.equal(finish_reason, 'length')
  assert.equal(ids.length, greedy.length)
  assert.deepEqual([...ids].slice(0, sure), greedy.slice(0, sure))
}

async function checkLikelihood(model, { score_ids, nll }) {
  const scores = await model.scoreIds(rows(score_ids))
  assert.equal(scores.length, nll.data.length)
  for (const [row, score] of scores.entries()) {
    assert.equal(score.tokens, score_ids.shape[1] - 1)
    assertClose([score.nll], [nll.data[row]], NLL_TOLERANCE, `nll of row ${row}`)
  }
}
