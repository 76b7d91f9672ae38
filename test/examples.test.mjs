// The programs of examples/ and the configs of recipes/ do what they say.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { checkConfig, readYaml } from '#lib/config/parse'
import { trainSchema } from '#lib/config/train'
import { clone } from './helpers/cli.mjs'
import { temporaryFolder } from './helpers/folders.mjs'
import { writeTinyModel } from './helpers/tiny_model.mjs'

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

  test('train.mjs trains, and finds its result when run again', () => {
    const args = ['examples/train.mjs', models[0], join(root, 'corpus.txt'), join(root, 'run')]
    assert.match(run(...args), /^1 \d[\s\S]*20 \d[\s\S]*tokens\/s\n$/)
    assert.match(run(...args), /^[^\n]*tokens\/s\n$/)
  })

  test('every program of examples/ has a test here', () => {
    const source = readFileSync(join(clone, 'test/examples.test.mjs'), 'utf8')
    for (const name of readdirSync(join(clone, 'examples')))
      assert.ok(source.includes(`examples/${name}`), name)
  })
})

describe('recipes', () => {
  for (const name of readdirSync(join(clone, 'recipes'))) {
    test(`${name} is a config, headed by the command that runs it`, async () => {
      const file = join(clone, 'recipes', name)
      assert.ok(checkConfig(trainSchema, await readYaml(file), file))
      assert.match(readFileSync(file, 'utf8'), new RegExp(`^# npx tongueforge train recipes/${name} `))
    })
  }

  test('recipes/cp.yaml runs with the overrides that it names', async () => {
    const root = temporaryFolder()
    const model = await writeTinyModel(join(root, 'base'))
    writeFileSync(join(root, 'corpus.txt'), 'the color of anna is red .\n')
    const overrides = [
      `model=${model}`,
      `out=${join(root, 'run')}`,
      `data.0.path=${join(root, 'corpus.txt')}`,
    ]
    const { train } = await import('tongueforge')
    const { report } = await train(join(clone, 'recipes/cp.yaml'), {
      overrides: [...overrides, 'steps=2', 'sequence_length=32'],
    }).result
    assert.equal(report.steps, 2)
  })
})
