// Compression as a command: its table, its document, and what it says when it is stopped.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { sleep } from '../helpers/stress.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'

describe('tongueforge compress', () => {
  const root = temporaryFolder()
  const file = join(root, 'compress.yaml')
  const out = join(root, 'run')
  before(async () => {
    const config = await tinyCompression(join(root, 'inputs'))
    const stages = [{ method: 'recover' }, { method: 'recover', steps: 2 }]
    writeFileSync(file, JSON.stringify({ ...config, out, stages })) // JSON is YAML
  })

  test('a dry run prints what is foretold; a run what was found; --json the report', async () => {
    const plan = await cli(['compress', file, '--dry-run'])
    assert.equal(plan.code, 0, plan.err)
    assert.match(plan.out, /^stage +parameters +nonzero +bytes +macs$/m)
    assert.match(plan.out, /^02-recover +\d+ +\d+ +\d+ kB +[0-9.]+M$/m)
    assert.ok(!existsSync(out))
    const run = await cli(['compress', file])
    assert.equal(run.code, 0, run.err)
    assert.match(run.out, /^stage +parameters +nonzero +bytes +macs +perplexity$/m)
    assert.match(run.out, /^loads_in +transformers$/m)
    const log = run.err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const updates = log.filter(({ event, loss }) => event === undefined && loss !== undefined)
    assert.deepEqual(updates.map(({ stage, step }) => [stage, step]).at(-1), ['02-recover', 2])
    const again = await cli(['compress', file, '--resume', '--json'])
    assert.deepEqual(JSON.parse(again.out).report, JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')))
  })

  test('a config that cannot be is refused with the key, exit code 2', async () => {
    const { code, out: text } = await cli(['compress', file, 'stages.1.steps=0', '--json'])
    assert.equal(code, 2)
    assert.equal(JSON.parse(text).error.details.key, 'stages.1.steps')
  })

  test('stopped, it says that what it has is kept and how to go on, and exits with 75', async () => {
    const args = ['compress', file, `out=${join(root, 'stopped')}`, 'stages.1.steps=500']
    const stopped = await cli(args, {
      onStart: async (child) => {
        while (!existsSync(join(root, 'stopped/stages/02-recover/metrics.jsonl'))) await sleep(5)
        child.kill('SIGINT')
      },
    })
    assert.equal(stopped.code, 75, stopped.err)
    assert.match(stopped.err, /what was written is kept/)
    assert.match(stopped.err, /hint: npx tongueforge compress .* --resume/)
  })
})
