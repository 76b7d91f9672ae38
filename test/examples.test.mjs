// The programs of examples/ and the configs of recipes/ do what they say.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { clone } from './helpers/cli.mjs'
import { temporaryFolder } from './helpers/folders.mjs'
import { writeTinyModel } from './helpers/tiny_model.mjs'
import { writeTinyTasks } from './helpers/tiny_tasks.mjs'

describe('examples', () => {
  const root = temporaryFolder({
    'corpus.txt': 'the color of anna is red .\n\nthe color of boris is blue .\n',
  })
  const models = ['target', 'base', 'chat'].map((name) => join(root, name))
  const run = (...args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: clone, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    return stdout
  }

  before(async () => {
    for (const [i, folder] of models.entries()) await writeTinyModel(folder, { seed: i })
  })

  test('chat_vector.cjs grafts and chats', () => {
    const printed = run(
      'examples/chat_vector.cjs',
      ...models,
      join(root, 'out'),
      'what is the color of anna ?',
    )
    assert.match(printed, /^\d+ tensors changed in [\d.]+ s\n.+/)
    assert.ok(existsSync(join(root, 'out', 'provenance.json')))
  })

  test('many_questions.mjs has its questions answered together', () => {
    const printed = run('examples/many_questions.mjs', models[0], 'what ?', 'what is red ?', 'who ?')
    assert.match(
      printed,
      /^(what|who) [\s\S]*\d+ tokens in \d+ steps, \d+ tokens of prompts found computed\n$/,
    )
    const [, tokens, steps] = /(\d+) tokens in (\d+) steps/.exec(printed).map(Number)
    assert.ok(tokens > steps, printed)
  })

  test('train.mjs trains, and finds its result when run again', () => {
    const args = ['examples/train.mjs', models[0], join(root, 'corpus.txt'), join(root, 'run')]
    assert.match(run(...args), /^1 \d[\s\S]*20 \d[\s\S]*tokens\/s\n$/)
    assert.match(run(...args), /^[^\n]*tokens\/s\n$/)
  })

  test('merge.mjs merges at three densities and measures each', () => {
    const printed = run(
      'examples/merge.mjs',
      models[1],
      models[0],
      models[2],
      join(root, 'merged'),
      'the color',
    )
    assert.match(printed, /^density 0\.2: perplexity [\d.]+\ndensity 0\.5: .*\ndensity 1: .*\n$/)
    assert.ok(existsSync(join(root, 'merged/density-0.5/provenance.json')))
  })

  test('worker_pool.mjs measures texts on two threads, and tells them in order', () => {
    const lines = ['the color', 'of anna', 'is red .', 'the color of boris is blue .']
    writeFileSync(join(root, 'lines.txt'), lines.join('\n'))
    const printed = run('examples/worker_pool.mjs', models[0], join(root, 'lines.txt'), '2')
    const rows = printed
      .trimEnd()
      .split('\n')
      .map((row) => /^([\d.]+) {2}(.*) {2}\(thread (\d)\)$/.exec(row))
    assert.deepEqual(
      rows.map(([, , text]) => text),
      lines,
    )
    assert.deepEqual([...new Set(rows.map(([, , , thread]) => thread))].sort(), ['1', '2'])
    assert.notEqual(rows[0][1], rows[1][1])
  })

  test('merge_in_ci.mjs merges, measures, and fails where the result is worse than allowed', () => {
    const config = {
      merge_method: 'linear',
      models: models.map((model) => ({ model, parameters: { weight: 1 } })),
    }
    const files = { 'merge.yaml': config, 'held_out.txt': 'the color of anna is red .' }
    const folder = temporaryFolder(files)
    const args = ['merge.yaml', 'out', 'held_out.txt'].map((name) => join(folder, name))
    const summary = join(folder, 'summary.md')
    const printed = (limit) =>
      spawnSync(process.execPath, ['examples/merge_in_ci.mjs', ...args, limit], {
        ...{ cwd: clone, encoding: 'utf8' },
        env: { ...process.env, GITHUB_STEP_SUMMARY: summary },
      })
    const good = printed('9')
    assert.equal(good.status, 0, good.stderr)
    assert.match(good.stdout, /^writes [\d.]+ MB\n\| model \| perplexity \|\n/)
    assert.equal(readFileSync(summary, 'utf8').match(/\| [\d.]+ \|$/gm).length, 4)
    const bad = printed('0.5')
    assert.equal(bad.status, 1)
    assert.match(bad.stderr, /^perplexity [\d.]+, allowed 0\.5 x [\d.]+$/m)
  })

  test('evaluate.mjs asks two models the same and says where they differ', () => {
    const { tiny, tiny_pages } = writeTinyTasks(join(root, 'tasks'))
    const tasks = `${tiny},${tiny_pages}`
    const printed = run('examples/evaluate.mjs', models[0], models[1], tasks, root, join(root, 'evaluated'))
    assert.match(printed, /^target: 12 documents of tiny$/m)
    assert.match(printed, /^tiny acc: -?[\d.]+ to -?[\d.]+, they (differ|may be equal)$/m)
    assert.match(printed, /^tiny_pages bits_per_byte: /m)
  })

  test('every program of examples/ has a test here', () => {
    const files = ['examples', 'examples_servers'].map((name) => join(clone, `test/${name}.test.mjs`))
    const source = files.map((file) => readFileSync(file, 'utf8')).join('')
    for (const name of readdirSync(join(clone, 'examples')))
      assert.ok(source.includes(`examples/${name}`), name)
  })
})
