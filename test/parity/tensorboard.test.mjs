// What TensorBoard shows of a run is what metrics.jsonl says, also of one that was killed and resumed.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tensorboardReference } from '../helpers/reference.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const linesOf = (out, name) =>
  readFileSync(join(out, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** Compares in float32, which is what event files hold. */
function assertCurve(points, expected, name) {
  assert.deepEqual(
    points,
    expected.map(([step, value]) => [step, Math.fround(value)]),
    name,
  )
}

function assertShows({ scalars, texts }, out, report) {
  const lines = linesOf(out, 'metrics.jsonl')
  const measured = lines.filter((line) => 'eval_loss' in line)
  for (const key of ['loss', 'grad_norm', 'lr', 'tokens', 'tokens_per_second', 'mfu', 'memory_bytes']) {
    assertCurve(
      scalars[`train/${key}`],
      lines.map((line) => [line.step, line[key]]),
      key,
    )
  }
  assertCurve(
    scalars['eval/loss'],
    [[0, report.eval_loss_before], ...measured.map((line) => [line.step, line.eval_loss])],
    'eval',
  )
  assertCurve(
    scalars['eval/stop_rate'],
    [[0, report.stop_rate_before], ...measured.map((line) => [line.step, line.stop_rate])],
    'stop_rate',
  )
  const [source] = Object.keys(report.eval_losses)
  assert.deepEqual(scalars[`eval/losses/${source}`], scalars['eval/loss'])
  assertTexts(texts['samples/2'], linesOf(out, 'samples.jsonl'))
}

function assertTexts(shown, samples) {
  const second = samples.filter(({ prompt }) => prompt === 'the police')
  assert.deepEqual(
    shown,
    second.map(({ step, prompt, text, finish_reason, tokens }) => [
      step,
      `    ${prompt}\n\n${finish_reason}, ${tokens} tokens\n\n    ${text}`,
    ]),
  )
}

describe("a run's curves in TensorBoard", () => {
  const root = temporaryFolder()
  let config

  before(async () => {
    config = { ...(await tinyTraining(join(root, 'inputs'), { steps: 24 })), tensorboard: true }
    config.eval.samples = { prompts: ['the color of anna is', 'the police'], max_new_tokens: 5 }
  })

  test('are the figures of metrics.jsonl, step by step, and the config as text', async () => {
    const out = join(root, 'whole')
    const { report } = await train({ ...config, out }).result
    const read = await tensorboardReference([join(out, 'tensorboard')])
    assertShows(read, out, report)
    assert.match(read.texts.config[0][1], /^ {4}objective: cp\n[\s\S]*\n {4}steps: 24\n/)
  })

  test('show each step once after a kill and a resume, whatever the dying run had written', async () => {
    const out = join(root, 'resumed')
    const stop = new AbortController()
    const run = train({ ...config, out }, { signal: stop.signal })
    run.result.catch(() => {})
    await assert.rejects(async () => {
      for await (const { step } of run) if (step === 12) stop.abort()
    })
    // As a kill leaves it: nothing saved since step 7, and the last event torn.
    rmSync(run.latest.checkpoint.path, { recursive: true })
    const [torn] = readdirSync(join(out, 'tensorboard')).map((name) => join(out, 'tensorboard', name))
    truncateSync(torn, statSync(torn).size - 5)

    const { report } = await train({ ...config, out }, { resume: true }).result
    assert.equal(report.resumed_from, 7)
    assertShows(await tensorboardReference([join(out, 'tensorboard')]), out, report)
  })

  test('begin anew where a run had been killed before its first checkpoint', async () => {
    const out = join(root, 'anew')
    const early = { ...config, out, checkpoint: { every: 0 } }
    const run = train(early)
    for await (const { step } of run) if (step === 3) break
    rmSync(join(out, 'checkpoints'), { recursive: true })
    const { report } = await train(early, { resume: true }).result
    assertShows(await tensorboardReference([join(out, 'tensorboard')]), out, report)
  })
})
