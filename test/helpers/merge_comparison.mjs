// How two merges are compared, tensor by tensor. Each row of TOLERANCES says what may differ in one tensor.
import { ulpOf } from './half_precision.mjs'
import { numbersOf } from './safetensors.mjs'

const RELATIVE = 1e-5
const ABSOLUTE = 1e-7
const DECIDED_OTHERWISE = { share: 0.05, least: 4 } // elements
const NEAR_ULPS = 4

/** Each takes two values of one element, their dtype and the tensor's largest value: whether they are the same. */
const isEqual = (a, b) => Object.is(a, b)
const isClose = (a, b, dtype) =>
  dtype === 'F32' ? Math.abs(a - b) <= ABSOLUTE + RELATIVE * Math.abs(b) : Math.abs(a - b) <= ulpOf(b, dtype)
const isNear = (a, b, dtype, largest) =>
  dtype === 'F32'
    ? Math.abs(a - b) <= RELATIVE * largest
    : Math.abs(a - b) <= NEAR_ULPS * ulpOf(largest, dtype)

/**
 * exact: every byte. close: float32 to 1e-5 of the value and 1e-7, 16 bits to one ulp. kept: as close, but for 5 % of
 * the elements or four, where two values of one magnitude at a threshold are cut in another order. tokens, tokens_close: the
 * same as exact and close, rows of embedding and head compared by the token they belong to. near: what our own
 * numerics may be away from mergekit's: float32 to 1e-5 of the tensor's largest value, 16 bits to 4 ulps of it; so
 * near_by_token.
 */
const TOLERANCES = {
  exact: { isSame: isEqual },
  close: { isSame: isClose },
  kept: { isSame: isClose, allowed: DECIDED_OTHERWISE },
  tokens: { isSame: isEqual, byToken: true },
  tokens_close: { isSame: isClose, byToken: true },
  near: { isSame: isNear },
  near_by_token: { isSame: isNear, byToken: true },
}

/** What is not the same in two results of readResult, a line each; an empty list where nothing is. */
export function differences(received, expected, tolerance) {
  const [ours, theirs] = [received, expected].map(({ tensors }) => Object.keys(tensors).sort())
  const lines = [
    ...theirs.filter((name) => !ours.includes(name)).map((name) => `${name} is missing`),
    ...ours.filter((name) => !theirs.includes(name)).map((name) => `${name} is too many`),
  ]
  for (const name of theirs.filter((name) => ours.includes(name)))
    lines.push(...tensorDifference(name, received, expected, TOLERANCES[tolerance]))
  return lines
}

function tensorDifference(
  name,
  received,
  expected,
  { isSame, allowed = { share: 0, least: 0 }, byToken = false },
) {
  const [ours, theirs] = [received.tensors[name], expected.tensors[name]]
  for (const key of ['dtype', 'shape']) {
    if (String(ours[key]) !== String(theirs[key]))
      return [`${name}: ${key} expected ${theirs[key]}, received ${ours[key]}`]
  }
  const isVocabulary = /embed_tokens|lm_head/.test(name)
  const [got, wanted] =
    byToken && isVocabulary
      ? [received, expected].map(({ tensors, tokens }) => rowsOf(tensors[name], tokens, expected.tokens))
      : [ours, theirs].map(numbersOf)
  return unequalElements(name, got, wanted, { dtype: theirs.dtype, isSame, allowed })
}

function unequalElements(name, got, wanted, { dtype, isSame, allowed }) {
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  let [count, worst, at] = [0, -1, 0]
  for (let i = 0; i < wanted.length; i++) {
    if (isSame(got[i], wanted[i], dtype, largest)) continue
    count++
    const distance = Math.abs(got[i] - wanted[i])
    if (!(distance <= worst)) [worst, at] = [distance, i] // NaN counts as the worst
  }
  if (count <= Math.max(allowed.share * wanted.length, allowed.least)) return []
  const ulps = worst / ulpOf(wanted[at], dtype)
  return [
    `${name}: ${count} of ${wanted.length} elements; [${at}] expected ${wanted[at]}, received ${got[at]}, ` +
      `${worst.toExponential(1)} or ${ulps.toFixed(1)} ulp away`,
  ]
}

/** The rows of all `wanted` tokens, one after the other; a token that has none reads NaN. */
function rowsOf({ shape: [, width], ...tensor }, ids, wanted) {
  const values = numbersOf(tensor)
  const row = (token) => Array.from({ length: width }, (_, i) => values[ids[token] * width + i] ?? Number.NaN)
  return Float32Array.from(Object.keys(wanted).flatMap(row))
}
