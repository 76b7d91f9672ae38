// What the starting model says of InsCP's documents, against transformers, which renders and counts for itself.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { readLogProbs } from '#lib/verbs/training/log_probs_file'
import { writeTokenizer } from '#lib/world/tokenizer'
import { World } from '#lib/world/world'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reference } from '../helpers/reference.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const TOLERANCE = 1e-4

describe('perplexity, in transformers', () => {
  const root = temporaryFolder()
  const model = join(root, 'model')

  before(async () => {
    await writeTinyModel(model)
    await writeTokenizer(model, { endOfTurn: true })
  })

  async function assertSame(folder, name, texts) {
    const data = join(root, `${name}.jsonl`)
    writeFileSync(data, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''))
    const out = join(root, name)
    await train({
      objective: 'inscp',
      model: folder,
      out,
      data: [{ path: data }],
      data_cache: join(root, 'cache'),
      sequence_length: 256,
      batch_size: 2,
      steps: 1,
      threads: 1,
    }).result
    const file = join(out, 'perplexity.bin')
    const { key } = JSON.parse(readFileSync(file, 'latin1').split('\n', 1)[0])
    const { sums, counts } = await readLogProbs(file, key)
    const expected = await reference(['perplexity', folder], texts)
    assert.deepEqual(
      [...counts],
      expected.map(({ tokens }) => tokens),
    )
    for (const [i, { nll }] of expected.entries())
      assert.ok(Math.abs(-sums[i] - nll) <= TOLERANCE * nll, `text ${i}: ${-sums[i]} and ${nll}`)
  }

  test('of documents of many lengths in shared rows', async () => {
    const facts = new World(1).questions('fact').map(({ answer }) => answer)
    const longer = facts.slice(0, 20).map((text, i) =>
      Array(2 + i)
        .fill(text)
        .join(' '),
    )
    await assertSame(model, 'many', [...facts, ...longer])
  })

  dataTest('of stories, under a model that tells some', 'models/stories260K_hf', async (_t, stories) => {
    const chat = join(root, 'stories')
    cpSync(stories, chat, { recursive: true })
    const template =
      "{% for m in messages %}{{ (bos_token + 'Tell me.' if m.role == 'user' else '\\n' + m.content + eos_token) }}{% endfor %}"
    writeFileSync(join(chat, 'chat_template.jinja'), template)
    await assertSame(chat, 'told', [
      'Once upon a time, there was a little girl named Lily. She loved to play outside in the park.',
      'One day, a big dog came to the park. It was very happy.',
      'The quarterly report shows a decrease in revenue.',
    ])
  })
})
