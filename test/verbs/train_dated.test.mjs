// A chat template that writes the date: the cache knows it, and a run keeps the one it began with.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, before, describe, mock, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { CHAT_TEMPLATE, VOCABULARY } from '#lib/world/tokenizer'
import { World } from '#lib/world/world'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const [one, two] = VOCABULARY.slice(40)
const DATED = CHAT_TEMPLATE.replace(
  '{{- bos_token -}}',
  `{{- bos_token -}} {{- ' ${one} ' if strftime_now('%Y-%m-%d') == '2026-11-03' else ' ${two} ' -}}`,
)
const DAY = 24 * 3600 * 1000
const began = new Date(2026, 10, 3, 23, 30)

describe('a chat template that writes the date', () => {
  const root = temporaryFolder()
  const [model, texts] = [join(root, 'start'), join(root, 'texts.jsonl')]
  let made = 0
  const config = (changes = {}) => ({
    objective: 'inscp',
    model,
    out: join(root, `run-${made++}`),
    data: [{ path: texts }],
    data_cache: join(root, 'cache'),
    sequence_length: 24,
    batch_size: 4,
    steps: 6,
    schedule: { warmup: 1 },
    checkpoint: { every: 2 },
    threads: 1,
    ...changes,
  })
  const at = (days) => {
    mock.timers.reset()
    mock.timers.enable({ apis: ['Date'], now: began.getTime() + days * DAY })
  }
  const finish = async (options, more) => (await train(options, more).result).report
  const weights = ({ out }) => readFileSync(join(out, 'model', 'model.safetensors'))

  async function stopAfter(step, options) {
    const stop = new AbortController()
    await assert.rejects(async () => {
      for await (const shown of train(options, { signal: stop.signal })) if (shown.step >= step) stop.abort()
    })
  }

  before(async () => {
    await writeTinyModel(model)
    writeFileSync(join(model, 'chat_template.jinja'), DATED)
    const answers = new World(1).questions('fact').map(({ answer }) => answer)
    writeFileSync(texts, answers.map((text) => `${JSON.stringify({ text })}\n`).join(''))
  })
  afterEach(() => mock.timers.reset())

  test('another day is measured as with a cache of its own; the same day finds what is there', async () => {
    at(0)
    const first = await finish(config())
    const same = await finish(config())
    assert.deepEqual(same.perplexity, first.perplexity)
    assert.ok(same.plan.data.sources[0].cached)
    at(40)
    const later = await finish(config())
    const alone = await finish(config({ data_cache: join(root, 'another') }))
    assert.deepEqual(later.perplexity, alone.perplexity)
    assert.ok(!later.plan.data.sources[0].cached)
    assert.notEqual(later.perplexity.overall, first.perplexity.overall)
    assert.ok(later.perplexity.overall < 2 * first.perplexity.overall, 'the template is not part of the text')
  })

  for (const objective of ['inscp', 'sft'])
    test(`a run of ${objective} that goes on another day learns from the documents that it began with`, async () => {
      const changes = { objective, ...(objective === 'inscp' && { inscp: { max_perplexity: 1e6 } }) }
      if (objective === 'sft') {
        const answers = new World(1).questions('fact').map(({ prompt, answer }) => ({
          messages: [
            { role: 'user', content: prompt },
            { role: 'assistant', content: answer },
          ],
        }))
        const talks = join(root, 'talks.jsonl')
        writeFileSync(talks, answers.map((talk) => `${JSON.stringify(talk)}\n`).join(''))
        changes.data = [{ path: talks }]
      }
      at(0)
      const undisturbed = config(changes)
      await finish(undisturbed)
      const options = config(changes)
      await stopAfter(3, options)
      at(1)
      const heard = []
      const onProgress = ({ label }) => heard.push(label)
      await finish(options, { resume: true, onProgress })
      assert.ok(weights(options).equals(weights(undisturbed)))
      assert.deepEqual(
        heard.filter((label) => label === 'perplexity'),
        [],
        'and measures nothing again',
      )
      const { local_time } = JSON.parse(readFileSync(join(options.out, 'template_time.json'), 'utf8'))
      assert.equal(local_time, '2026-11-03T23:30:00')

      const fresh = config(changes)
      await finish(fresh)
      assert.ok(!weights(fresh).equals(weights(options)), 'a run of that day has others')
      await finish(options, { overwrite: true })
      assert.ok(weights(options).equals(weights(fresh)), 'and so has one that starts again')
    })

  test('a file that says no time is refused with its name; without it the time of today counts', async () => {
    at(0)
    const options = config()
    await stopAfter(3, options)
    const file = join(options.out, 'template_time.json')
    writeFileSync(file, '{"version": 1, "local_time": "yesterday"}')
    const expected = {
      code: 'ERR_CHECKPOINT',
      message: /template_time\.json: local_time: expected a time such as .*, received "yesterday"/,
    }
    await assert.rejects(finish(options, { resume: true }), expected)
    await assert.rejects(finish(options, { resume: true, dryRun: true }), expected)
    rmSync(file)
    await finish(options, { resume: true })
  })

  test('a template that writes none leaves no such file', async () => {
    writeFileSync(join(model, 'chat_template.jinja'), CHAT_TEMPLATE)
    const options = config()
    await finish(options)
    assert.ok(!existsSync(join(options.out, 'template_time.json')))
  })
})
