import assert from 'node:assert/strict'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cli, emptyFolder } from '../helpers/cli.mjs'
import { dataTest } from '../helpers/data.mjs'

const TEMPLATE = '{% for m in messages %}{{ m.content }} {% endfor %}'

/** A real model given a chat template: it tells stories, whatever one says. */
function storyTeller(source) {
  const folder = join(emptyFolder(), 'model')
  cpSync(source, folder, { recursive: true })
  writeFileSync(join(folder, 'chat_template.jinja'), TEMPLATE)
  return folder
}

dataTest(
  'lines from a pipe are turns, and /reset forgets the earlier ones',
  'models/stories260K_hf',
  async (_t, source) => {
    const folder = storyTeller(source)
    const turns = ['Once upon a time', 'Lily was', '/reset', 'Once upon a time', '/quit', 'not read'].join(
      '\n',
    )
    const { code, out, err } = await cli(['chat', folder, '--max-new-tokens', '8', '--threads', '1'], {
      input: turns,
    })
    assert.equal(code, 0, err)
    const [first, second, third, ...rest] = out.split('\n')
    assert.deepEqual(rest, [''])
    assert.ok(first.length > 0 && second.length > 0)
    assert.equal(third, first)
  },
)

dataTest(
  'generate --chat answers through the template, --json as one document',
  'models/stories260K_hf',
  async (_t, source) => {
    const folder = storyTeller(source)
    const { code, out } = await cli([
      'generate',
      folder,
      '--prompt',
      'Once',
      '--chat',
      '--max-new-tokens',
      '4',
      '--json',
    ])
    assert.equal(code, 0)
    const answer = JSON.parse(out)
    assert.deepEqual(Object.keys(answer), ['text', 'ids', 'finish_reason', 'tokens_per_second', 'usage'])
    assert.equal(answer.ids.length, 4)
    assert.equal(answer.finish_reason, 'length')
  },
)
