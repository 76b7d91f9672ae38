// The sweep as a command: its table, its document, and what it says when it is stopped.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { sleep } from '../helpers/stress.mjs'
import { tinySweep } from '../helpers/tiny_sweep.mjs'

describe('tongueforge sweep', () => {
  const root = temporaryFolder()
  const file = join(root, 'sweep.yaml')
  const out = join(root, 'run')
  before(async () => {
    const config = await tinySweep(join(root, 'inputs'))
    writeFileSync(file, JSON.stringify({ ...config, out })) // JSON is YAML
  })

  test('a dry run prints the plan; a run the points, the best marked; --json the report', async () => {
    const plan = await cli(['sweep', file, '--dry-run'])
    assert.equal(plan.code, 0, plan.err)
    assert.match(plan.out, /^points +3$/m)
    const run = await cli(['sweep', file])
    assert.equal(run.code, 0, run.err)
    assert.match(run.out, /^point +all +language +manners +score/)
    assert.match(run.out, /best/)
    assert.match(run.err, /^sweep /m)
    const again = await cli(['sweep', file, '--resume', '--json'])
    const report = JSON.parse(again.out)
    assert.equal(report.measured, 0)
    assert.deepEqual(report, JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')))
  })

  test('stopped, it says that its points are kept and how to go on, and exits with 75', async () => {
    const args = ['sweep', file, `out=${join(root, 'stopped')}`, 'scales={from: 0, to: 1, steps: 150}']
    const stopped = await cli(args, {
      onStart: async (child) => {
        while (!existsSync(join(root, 'stopped/metrics.jsonl'))) await sleep(5)
        await sleep(20)
        child.kill('SIGINT')
      },
    })
    assert.equal(stopped.code, 75, stopped.err)
    assert.match(stopped.err, /points that are measured are kept/)
    assert.match(stopped.err, /hint: npx tongueforge sweep .* --resume/)
  })
})
