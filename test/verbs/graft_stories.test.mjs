// The whole way on a real small model: stories260K learns chat tags by SFT, a copy of it gets tokens of German and reads
// German; the vector of the first is put on the second, its scale swept, the result verified. bench/papers/stories_vector.mjs
// is the long form with figures.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { extendVocabulary, graft, loadModel, sweep, verify } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const TEMPLATE = `{{- bos_token -}}
{%- for message in messages -%}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
`
const STORIES = 'models/stories260K_hf'
const GERMAN = 'corpus/genesis_german.txt'

dataTest(
  'a chat vector for stories260K, with a vocabulary that grew',
  [STORIES, GERMAN],
  async (t, [base, german]) => {
    const root = temporaryFolder({ 'chat.jinja': TEMPLATE })
    const path = (name) => join(root, name)
    const lines = readFileSync(german, 'utf8').split('\n').filter(Boolean)
    writeFileSync(path('german.txt'), lines.slice(0, 400).join('\n'))
    writeFileSync(path('held_out.txt'), lines.slice(400, 420).join('\n'))
    const answers = Array.from({ length: 64 }, (_, i) => ({
      messages: [
        { role: 'user', content: `Tell me about Tom ${i % 8}.` },
        { role: 'assistant', content: 'Tom was happy. The end.' },
      ],
    }))
    writeFileSync(path('chat.jsonl'), answers.map((record) => JSON.stringify(record)).join('\n'))
    const common = { optimizer: { lr: 1e-3, weight_decay: 0 }, checkpoint: { every: 0 }, threads: 1, seed: 1 }
    const learn = async (name, config) => {
      const run = train({ ...common, sequence_length: 128, batch_size: 4, ...config, out: path(name) })
      return (await run.result).model
    }

    await extendVocabulary({
      model: base,
      out: path('tagged'),
      specialTokens: ['<|user|>', '<|assistant|>', '<|end|>'],
      chatTemplate: path('chat.jinja'),
      eosToken: '<|end|>',
      threads: 1,
    })
    const sft = { objective: 'sft', model: path('tagged'), data: [{ path: path('chat.jsonl') }], steps: 80 }
    const chat = await learn('sft', sft)
    await extendVocabulary({
      model: base,
      out: path('wide'),
      data: [path('german.txt')],
      tokens: 200,
      minCount: 2,
      threads: 1,
    })
    const cp = { objective: 'cp', model: path('wide'), data: [{ path: path('german.txt') }], steps: 15 }
    const target = await learn('cp', cp)

    const models = { target, base, chat }
    const { out: tagged, vocabulary } = await graft({ ...models, scale: 0, out: path('graft-0') })
    assert.deepEqual(Object.keys(vocabulary.added_tokens), ['<|user|>', '<|assistant|>', '<|end|>'])
    assert.equal(vocabulary.rows.after, vocabulary.rows.before + 3)
    const { out: whole } = await graft({ ...models, scale: 1, out: path('graft-1') })
    assert.equal((await verify(whole, { chunks: Number.POSITIVE_INFINITY })).ok, true)

    const objectives = [
      { name: 'german', loss: 'text', data: [{ path: path('held_out.txt') }] },
      { name: 'manners', loss: 'messages', data: [{ path: path('chat.jsonl') }] },
    ]
    const swept = {
      ...models,
      out: path('sweep'),
      scales: [0, 0.5, 1],
      objectives,
      sequence_length: 128,
    }
    const { points } = await sweep({ ...swept, threads: 1 }).result
    const manners = points.map(({ values }) => values.manners)
    t.diagnostic(`manners ${manners.map((loss) => loss.toFixed(2)).join(' ')}`)
    assert.ok(manners[2] < manners[0] - 0.5, `${manners}`)

    const model = await loadModel(whole, { threads: 1 })
    const plain = await loadModel(tagged, { threads: 1 })
    const ask = async (asked) =>
      asked.chat([{ role: 'user', content: 'Tell me about Tom 3.' }], { maxNewTokens: 60 }).result
    assert.equal((await ask(model)).finish_reason, 'stop')
    assert.equal((await ask(plain)).finish_reason, 'length')
    await Promise.all([model.dispose(), plain.dispose()])
  },
)
