// Clusters as a command: its facts, its document, and what it says when it is stopped.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { flac, glide, toInt16, wav } from '../helpers/sounds.mjs'
import { sleep } from '../helpers/stress.mjs'

describe('tongueforge clusters', () => {
  const root = temporaryFolder({
    'speech/a.wav': wav(glide()),
    'speech/b.wav': wav(glide({ seconds: 1, to: 2000 })),
  })
  const file = join(root, 'clusters.yaml')
  const out = join(root, 'out')

  before(async () => {
    const { bytes } = await flac([Array.from(glide({ from: 2000, to: 300 }), toInt16)])
    writeFileSync(join(root, 'speech/c.flac'), bytes)
    const config = {
      data: [{ path: join(root, 'speech') }],
      out,
      k_means: { clusters: 6, batches: 30, batch_size: 50 },
    }
    writeFileSync(file, JSON.stringify(config)) // JSON is YAML
  })

  test('a dry run prints the plan, a run the facts of its report, --json the report', async () => {
    const plan = await cli(['clusters', file, '--dry-run'])
    assert.equal(plan.code, 0, plan.err)
    assert.match(plan.out, /^learnt_from +194$/m)
    assert.ok(!existsSync(out))
    const run = await cli(['clusters', file])
    assert.equal(run.code, 0, run.err)
    assert.match(run.out, /^entropy +1\.\d+$/m)
    assert.match(run.err, /^labels /m)
    const again = await cli(['clusters', file, '--overwrite', '--json'])
    assert.deepEqual(JSON.parse(again.out), JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')))
  })

  test('stopped before there are centres it leaves nothing and exits with 130', async () => {
    const place = join(root, 'stopped')
    const args = ['clusters', file, `out=${place}`, 'k_means.batches=1000000', '--resume']
    const begun = () => readdirSync(root).some((name) => name.startsWith('.tmp-stopped'))
    const stopped = await cli(args, {
      onStart: async (child) => {
        while (!begun()) await sleep(5)
        await sleep(50)
        child.kill('SIGINT')
      },
    })
    assert.equal(stopped.code, 130, stopped.err)
    assert.ok(!existsSync(place) && !begun())
  })

  test('a bad file is named, with what to do, and nothing is made', async () => {
    writeFileSync(join(root, 'bad.wav'), 'not a sound')
    const refused = await cli([
      'clusters',
      file,
      `data.0.path=${join(root, 'bad.wav')}`,
      `out=${join(root, 'none')}`,
      '--json',
    ])
    assert.equal(refused.code, 1)
    const { error } = JSON.parse(refused.out)
    assert.equal(error.code, 'ERR_AUDIO')
    assert.match(error.message, /bad\.wav: expected a wav file/)
    assert.match(error.hint, /ffmpeg/)
    assert.ok(!existsSync(join(root, 'none')))
  })
})
