// What lm-evaluation-harness asked and found on made-up documents (evaluate/make_golden.py): prompts to the letter, ids to
// the last one, and what is told of its own log-likelihoods.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openTokenizerFolder } from '#lib/checkpoint/model_folder'
import { evaluateSchema } from '#lib/config/evaluate'
import { pooled } from '#lib/tasks/metrics'
import { chooseTasks } from '#lib/tasks/registry'
import { loadModelText } from '#lib/text/model_text'
import { RequestEncoder } from '#lib/verbs/evaluating/encode'
import { askedOf, promptOptions } from '#lib/verbs/evaluating/measure'
import { openTask } from '#lib/verbs/evaluating/open_task'
import { metricsOf } from '#lib/verbs/evaluating/record'

const here = fileURLToPath(new URL('./evaluate', import.meta.url))
const { runs, encodings } = JSON.parse(readFileSync(join(here, 'expected.json'), 'utf8'))
const tokenizer = () => openTokenizerFolder(join(here, 'tokenizer'))

/** Shares of documents are exact; what is made of float32 likelihoods, to their digits. */
const close = (a, b, place) => assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)), `${place}: ${a} and ${b}`)

for (const [name, { settings, results, samples }] of Object.entries(runs)) {
  test(`prompts and figures are those of the harness: ${name}`, async () => {
    const folder = await tokenizer()
    const { template } = await loadModelText(folder)
    const encoder = await RequestEncoder.open(folder, { maxLength: 128 })
    const parts = []
    for (const [task, expected] of Object.entries(samples)) {
      const file = task.startsWith('own_') ? join(here, 'data/own', `${task}.yaml`) : task
      const config = configOf(settings, file)
      const opened = await openTask((await chooseTasks([file])).tasks[0], config)
      const asked = await askedOf(opened, encoder, promptOptions(config, template))
      assert.equal(asked.length, expected.length, task)
      const found = asked.map(({ requests, sample }, i) => {
        const given = likelihoods(expected[i].results, requests.length)
        return checkSample(`${name}, ${task}, document ${i}`, sample(given), expected[i])
      })
      const metrics = metricsOf(opened, found)
      for (const [metric, { value, stderr }] of Object.entries(results[task])) {
        close(metrics[metric].value, value, `${task} ${metric}`)
        if (stderr === 'N/A') assert.equal(metrics[metric].stderr, null)
        else close(metrics[metric].stderr, stderr, `stderr of ${task} ${metric}`)
      }
      if (task.startsWith('xcopa_')) parts.push({ ...metrics.acc, documents: found.length })
    }
    const whole = pooled(parts)
    close(whole.value, results.xcopa.acc.value, 'xcopa')
    close(whole.stderr, results.xcopa.acc.stderr, 'stderr of xcopa')
  })
}

function configOf({ num_fewshot, chat = false, multiturn = false, system }, task) {
  return evaluateSchema.parse({
    ...{ models: ['model'], tasks: [task], data: join(here, 'data'), out: 'out', num_fewshot },
    ...{ chat_template: chat, fewshot_as_multiturn: multiturn },
    ...(system && { system_instruction: system }),
  })
}

/** What the harness found, one for each request; that of a whole text stands for all its windows. */
function likelihoods(results, count) {
  const found = results.map((one) => [one].flat())
  const all = found.map(([log_likelihood, is_greedy]) => ({ log_likelihood, is_greedy }))
  while (all.length < count) all.push({ log_likelihood: 0, is_greedy: false })
  return all
}

function checkSample(place, sample, expected) {
  if ('values' in sample) {
    assert.deepEqual(contextOf(sample), expected.context, place)
    assert.deepEqual(sample.continuations, expected.continuations, place)
    for (const metric of Object.keys(sample.values)) close(sample.values[metric], expected[metric], `${place}: ${metric}`)
  } else {
    assert.equal(sample.words, expected.word_perplexity[1], place)
    assert.equal(sample.bytes, expected.byte_perplexity[1], place)
  }
  return sample
}

/** As the golden file has it: one text where all answers share it. */
const contextOf = ({ context }) => (new Set([context].flat()).size === 1 ? [context].flat()[0] : context)

test('contexts and answers become the ids of the harness, cut on the left where it cuts', async () => {
  const encoder = await RequestEncoder.open(await tokenizer(), { maxLength: encodings.max_length })
  for (const { context, continuation, ids, first_target } of encodings.pairs) {
    const [request] = await encoder.pairs([{ context, continuation }])
    const found = { ids: [...request.ids], first_target: request.firstTarget }
    assert.deepEqual(found, { ids, first_target }, JSON.stringify([context, continuation]))
  }
})

test('a whole text goes through the windows of the harness', async () => {
  const encoder = await RequestEncoder.open(await tokenizer(), { maxLength: encodings.max_length })
  for (const { text, windows } of encodings.windows) {
    const found = (await encoder.windows(text)).map(({ ids, firstTarget }) => ({ ids: [...ids], first_target: firstTarget }))
    assert.deepEqual(found, windows, JSON.stringify(text))
  }
})
