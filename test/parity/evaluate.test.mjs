// Tasks against lm-evaluation-harness: prompts to the letter, log-likelihoods request by request, and what is told in the
// end, on documents of every layout with what is hard to get right in them (evaluate_cases.py).
import assert from 'node:assert/strict'
import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { evaluate } from 'tongueforge'
import { readSamples, samplesFile } from '#lib/verbs/evaluating/record'
import { dataPath, dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { evaluateReference } from '../helpers/reference.mjs'

/** Float32 programs that add in another order. */
const TOLERANCE = 1e-4
/** The harness sums in float32, whose steps near -2000 are larger than that: two of them more. */
const toleranceOf = (value) => TOLERANCE + 2 ** -22 * Math.abs(value)
/** Of sums over documents. */
const ROUNDING = 1e-9

const root = temporaryFolder()
const BYTES = join(root, 'byte_level')
const STORIES = dataPath('models/stories260K_hf')
/** The same with a template that begins with BOS, as most do that have one. */
const CHATTING = join(root, 'chatting')
const TEMPLATE =
  "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"

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
  {
    name: 'in a template that writes BOS and refuses a system',
    ...{ model: CHATTING, num_fewshot: 1, chat: true, multiturn: true, system: 'Be kind.', limit: 10 },
  },
].filter(({ model }) => model === BYTES || existsSync(STORIES))

describe('evaluation, in lm-evaluation-harness', () => {
  let expected
  before(async () => {
    if (existsSync(STORIES)) {
      cpSync(STORIES, CHATTING, { recursive: true })
      writeFileSync(join(CHATTING, 'chat_template.jinja'), TEMPLATE)
    }
    expected = await evaluateReference([root], RUNS)
  })

  for (const [i, run] of RUNS.entries()) {
    test(run.name, async (t) => {
      await compareRun(t, { ...run, root, out: join(root, `run${i}`) }, expected[run.name])
    })
  }

  dataTest(
    'real documents: languages, articles of Wikipedia, and tasks of a user',
    ['models/stories260K_hf', 'eval', 'corpus'],
    async (t, [model]) => {
      const real = join(root, 'real')
      const runs = [0, 2].map((num_fewshot) => ({ name: `${num_fewshot}`, model, num_fewshot }))
      const found = await evaluateReference([real, dataPath('.')], runs)
      for (const run of runs)
        await compareRun(t, { ...run, root: real, out: join(real, `run${run.name}`) }, found[run.name])
    },
  )
})

async function compareRun(t, run, { samples, results }) {
  const names = Object.keys(samples)
  const report = await evaluate(configOf(run, names)).result
  let worst = 0
  for (const name of names) {
    const ours = await readSamples(samplesFile(run.out, 'model', name))
    worst = Math.max(worst, compareSamples(name, ours, samples[name]))
  }
  for (const [name, metrics] of Object.entries(results)) compareResults(name, report, metrics)
  t.diagnostic(`${names.length} tasks, log-likelihoods to ${worst.toExponential(1)}`)
}

function configOf(run, names) {
  const { root, out, model, num_fewshot, chat, multiturn, system, limit, max_length } = run
  const own = (name) => (name.startsWith('own_') ? join(root, 'data/own', `${name}.yaml`) : name)
  return {
    models: [{ path: model, name: 'model' }],
    // All languages make a group, as it is named in the results.
    tasks:
      names.includes('xcopa_et') && names.includes('xcopa_vi')
        ? [...names.map(own), 'xcopa']
        : names.map(own),
    data: join(root, 'data'),
    ...{ out, num_fewshot, threads: 1 },
    generation: { chat_template: chat ? 'force' : 'plain' },
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
        assert.ok(
          difference < toleranceOf(value),
          `${place}, answer ${j}: ${sample.log_likelihoods[j]} and ${value}`,
        )
        assert.equal(sample.is_greedy[j], greedy, `${place}, answer ${j}`)
        worst = Math.max(worst, difference)
      }
      assert.equal(sample.prediction, argmax(results.map(([value]) => value)), place)
      for (const [metric, value] of Object.entries(metrics))
        assert.ok(Math.abs(sample.values[metric] - value) < TOLERANCE, `${place}: ${metric} ${value}`)
    } else if ('turns' in sample) {
      compareAnswer(sample, { asked, results, metrics }, place)
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

/** The harness decodes an answer alone, which some tokenizers begin without the blank that stands there. */
function compareAnswer({ turns: [turn], values }, { asked: [[prompt]], results: [answer], metrics }, place) {
  assert.equal(turn.prompt, prompt, place)
  assert.equal(turn.text.replace(/^ /, ''), answer.replace(/^ /, ''), place)
  assert.deepEqual(values, metrics, place)
}

const argmax = (values) => values.indexOf(Math.max(...values))

function compareResults(name, report, metrics) {
  for (const [metric, { value, stderr }] of Object.entries(metrics)) {
    const row = report.results.find((one) => one.task === name && one.metric === metric)
    assert.ok(row, `${name} ${metric}`)
    // A share of documents is the same to the last bit but one; what is made of likelihoods, as near as those.
    const tolerance =
      /^(acc|exact)/.test(metric) && name !== 'truthfulqa_mc2' ? ROUNDING : TOLERANCE * Math.max(1, value)
    assert.ok(Math.abs(row.value - value) <= tolerance, `${name} ${metric}: ${row.value} and ${value}`)
    if (stderr === 'N/A') assert.equal(row.stderr, null, `${name} ${metric}`)
    else
      assert.ok(Math.abs(row.stderr - stderr) <= tolerance, `${name} ${metric}: ${row.stderr} and ${stderr}`)
  }
}
