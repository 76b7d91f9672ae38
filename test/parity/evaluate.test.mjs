// Tasks against lm-evaluation-harness: prompts to the letter, log-likelihoods request by request, and what is told in the
// end, on documents of every layout with what is hard to get right in them (evaluate_cases.py).
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { evaluate } from 'tongueforge'
import { readSamples, samplesFile } from '#lib/verbs/evaluating/record'
import { dataPath } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { evaluateReference } from '../helpers/reference.mjs'

/** Float32 programs that add in another order; the harness sums in float32. */
const TOLERANCE = 1e-4
/** Of sums over documents. */
const ROUNDING = 1e-9

const root = temporaryFolder()
const BYTES = join(root, 'byte_level')
const STORIES = dataPath('models/stories260K_hf')

/** Names as the harness has them beside what our config calls them. */
const RUNS = [
  { name: 'without examples, a tokenizer without BOS', model: BYTES, num_fewshot: 0 },
  { name: 'three examples, a tokenizer with BOS', model: STORIES, num_fewshot: 3 },
  {
    name: 'in a chat template, examples as turns',
    ...{ model: BYTES, num_fewshot: 2, chat: true, multiturn: true, system: 'Be kind.' },
  },
  { name: 'in a chat template, all in one turn', model: BYTES, num_fewshot: 1, chat: true },
  {
    name: 'five examples, cut to a short context',
    ...{ model: STORIES, num_fewshot: 5, system: 'Be kind.', limit: 20, max_length: 200 },
  },
].filter(({ model }) => model === BYTES || existsSync(model))

describe('evaluation, in lm-evaluation-harness', () => {
  let expected
  before(async () => {
    expected = await evaluateReference([root], RUNS)
  })

  for (const [i, run] of RUNS.entries()) {
    test(run.name, async (t) => {
      const { samples, results } = expected[run.name]
      const names = Object.keys(samples)
      const out = join(root, `run${i}`)
      const report = await evaluate(configOf(run, names, out)).result
      let worst = 0
      for (const name of names) {
        const ours = await readSamples(samplesFile(out, 'model', name))
        worst = Math.max(worst, compareSamples(name, ours, samples[name]))
      }
      for (const [name, metrics] of Object.entries(results)) compareResults(name, report, metrics)
      t.diagnostic(`${names.length} tasks, log-likelihoods to ${worst.toExponential(1)}`)
    })
  }
})

function configOf(run, names, out) {
  const { model, num_fewshot, chat, multiturn, system, limit, max_length } = run
  const own = (name) => (name.startsWith('own_') ? join(root, 'data/own', `${name}.yaml`) : name)
  return {
    models: [{ path: model, name: 'model' }],
    tasks: [...names.filter((name) => !name.startsWith('xcopa_')).map(own), 'xcopa'],
    data: join(root, 'data'),
    ...{ out, num_fewshot, threads: 1 },
    ...(chat && { chat_template: true, fewshot_as_multiturn: multiturn ?? false }),
    ...(system && { system_instruction: system }),
    ...(limit && { limit }),
    ...(max_length && { max_length }),
  }
}

/** The worst difference of a log-likelihood; all else has to be the same. */
function compareSamples(task, ours, theirs) {
  assert.equal(ours.length, theirs.length, task)
  let worst = 0
  for (const [i, sample] of ours.entries()) {
    const place = `${task}, document ${i}`
    const { arguments: asked, results, ...metrics } = theirs[i]
    if ('log_likelihoods' in sample) {
      const contexts = asked.map((_, j) => [sample.context].flat()[j % [sample.context].flat().length])
      const pairs = asked.map((_, j) => [contexts[j], sample.continuations[j]])
      assert.deepEqual(pairs, asked, place)
      for (const [j, [value, greedy]] of results.entries()) {
        const difference = Math.abs(sample.log_likelihoods[j] - value)
        assert.ok(difference < TOLERANCE, `${place}, answer ${j}: ${sample.log_likelihoods[j]} and ${value}`)
        assert.equal(sample.is_greedy[j], greedy, `${place}, answer ${j}`)
        worst = Math.max(worst, difference)
      }
      assert.equal(sample.prediction, argmax(results.map(([value]) => value)), place)
      for (const [metric, value] of Object.entries(metrics))
        assert.ok(Math.abs(sample.values[metric] - value) < TOLERANCE, `${place}: ${metric} ${value}`)
    } else {
      const difference = Math.abs(sample.log_likelihood - results[0]) / Math.max(1, Math.abs(results[0]))
      assert.ok(difference < TOLERANCE, `${place}: ${sample.log_likelihood} and ${results[0]}`)
      assert.equal(sample.words, (metrics.word_perplexity ?? [])[1] ?? sample.words, place)
      assert.equal(sample.bytes, (metrics.byte_perplexity ?? [])[1] ?? sample.bytes, place)
      worst = Math.max(worst, difference)
    }
  }
  return worst
}

const argmax = (values) => values.indexOf(Math.max(...values))

function compareResults(name, report, metrics) {
  for (const [metric, { value, stderr }] of Object.entries(metrics)) {
    const row = report.results.find((one) => one.task === name && one.metric === metric)
    assert.ok(row, `${name} ${metric}`)
    // A share of documents is the same to the last bit but one; what is made of likelihoods, as near as those.
    const tolerance =
      /^acc/.test(metric) && name !== 'truthfulqa_mc2' ? ROUNDING : TOLERANCE * Math.max(1, value)
    assert.ok(Math.abs(row.value - value) <= tolerance, `${name} ${metric}: ${row.value} and ${value}`)
    if (stderr === 'N/A') assert.equal(row.stderr, null, `${name} ${metric}`)
    else
      assert.ok(Math.abs(row.stderr - stderr) <= tolerance, `${name} ${metric}: ${row.stderr} and ${stderr}`)
  }
}
