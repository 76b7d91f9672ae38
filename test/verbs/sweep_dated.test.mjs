// A sweep whose chat template writes the date: points of a later day are measured on the texts of the first.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, mock, test } from 'node:test'
import { sweep } from 'tongueforge'
import { CHAT_TEMPLATE, VOCABULARY } from '#lib/world/tokenizer'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinySweep } from '../helpers/tiny_sweep.mjs'

const [one, two] = VOCABULARY.slice(40)
const DATED = CHAT_TEMPLATE.replace(
  '{{- bos_token -}}',
  `{{- bos_token -}} {{- ' ${one} ' if strftime_now('%Y-%m-%d') == '2026-11-03' else ' ${two} ' -}}`,
)
const on = (day) => {
  mock.timers.reset()
  mock.timers.enable({ apis: ['Date'], now: new Date(2026, 10, day, 23, 30) })
}
afterEach(() => mock.timers.reset())

test('a sweep that goes on another day has the points of one that never stopped', async () => {
  const root = temporaryFolder()
  const config = await tinySweep(join(root, 'inputs'))
  writeFileSync(join(config.chat, 'chat_template.jinja'), DATED)
  const run = async (name, scales, options) => {
    const { points } = await sweep({ ...config, scales, out: join(root, name) }, options).result
    return points.map(({ values }) => values)
  }
  on(3)
  const whole = await run('whole', [0, 1])
  await run('stopped', [0])
  on(8)
  assert.deepEqual(await run('stopped', [0, 1], { resume: true }), whole)
  const other = await run('other', [0, 1])
  assert.notEqual(other[1].manners, whole[1].manners)
  assert.equal(other[1].language, whole[1].language)
})
