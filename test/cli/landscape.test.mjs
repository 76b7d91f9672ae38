// The landscape as a command: its table, its document, failures in its exit code, and what it says when it is stopped.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { sleep } from '../helpers/stress.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'

describe('tongueforge landscape', () => {
  const root = temporaryFolder()
  const file = join(root, 'landscape.yaml')
  const out = join(root, 'run')
  before(async () => {
    const config = await tinyCompression(join(root, 'inputs'))
    const measure = { tokens: 8, new_tokens: 2, warmup: 0, repeats: 1 }
    const techniques = [
      { name: 'magnitude', rates: [0.5, 0.9], stages: [{ method: 'prune', sparsity: '$rate' }] },
      { name: 'mended', stages: [{ method: 'recover', steps: 2 }] },
    ]
    writeFileSync(file, JSON.stringify({ ...config, measure, techniques, out })) // JSON is YAML
  })

  test('a dry run prints what is foretold; a run what was found; --json the report', async () => {
    const plan = await cli(['landscape', file, '--dry-run'])
    assert.equal(plan.code, 0, plan.err)
    assert.match(plan.out, /^point +parameters +nonzero +bytes +macs +effective$/m)
    assert.match(plan.out, /^magnitude-0.9 +\d+ +\d+ /m)
    assert.ok(!existsSync(out))
    const run = await cli(['landscape', file])
    assert.equal(run.code, 0, run.err)
    assert.match(run.out, /^point +perplexity +parameters .* prefill_seconds +decode_seconds +time$/m)
    assert.match(run.out, /^fronts$/m)
    assert.match(run.err, /magnitude-0.5: /)
    const again = await cli(['landscape', file, '--resume', '--json'])
    const report = JSON.parse(again.out)
    assert.equal(report.measured, 0)
    assert.deepEqual(report, JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')))
  })

  test('where a point has failed the others are told, and the exit code is 1', async () => {
    const args = ['landscape', file, `out=${join(root, 'broken')}`, 'techniques.0.rates=[0.5]']
    const { code, out, err } = await cli([...args, 'techniques.1.stages.0.optimizer.lr=1e30'])
    assert.equal(code, 1)
    assert.match(out, /^magnitude-0.5 +\d/m)
    assert.match(out, /^mended failed: ERR_NON_FINITE: /m)
    assert.match(err, /mended failed: /)
  })

  test('stopped, it says that what it has is kept and how to go on, and exits with 75', async () => {
    const args = ['landscape', file, `out=${join(root, 'stopped')}`, 'techniques.1.stages.0.steps=500']
    const stopped = await cli(args, {
      onStart: async (child) => {
        while (!existsSync(join(root, 'stopped/points/mended/stages/01-recover/metrics.jsonl')))
          await sleep(5)
        child.kill('SIGINT')
      },
    })
    assert.equal(stopped.code, 75, stopped.err)
    assert.match(stopped.err, /what was written is kept/)
    assert.match(stopped.err, /hint: npx tongueforge landscape .* --resume/)
  })
})
