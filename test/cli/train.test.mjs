import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cli, emptyFolder } from '../helpers/cli.mjs'
import { dataTest } from '../helpers/data.mjs'

const DATA = ['models/stories260K_hf', 'corpus/genesis_german.txt']

function makeConfig([model, corpus], folder) {
  const file = join(folder, 'config.yaml')
  const config = {
    model,
    out: join(folder, 'run'),
    data: [{ path: corpus }],
    sequence_length: 64,
    batch_size: 2,
  }
  writeFileSync(file, JSON.stringify({ ...config, steps: 60, threads: 1, seed: 3 })) // JSON is YAML too
  return file
}

/** Stops the command by a signal as soon as it has shown the first step. */
function stopAtFirstStep(child) {
  child.stderr.on('data', (text) => {
    if (/"step":1,/.test(text)) child.kill('SIGTERM')
  })
}

dataTest(
  'a stopped training exits 75 with a checkpoint; --resume ends with the bytes of an undisturbed run',
  DATA,
  async (_t, paths) => {
    const [stopped, undisturbed] = [emptyFolder(), emptyFolder()]
    const first = await cli(['train', makeConfig(paths, stopped)], { onStart: stopAtFirstStep })
    assert.equal(first.code, 75, first.err)
    assert.match(first.err, /error: stopped; what was learned up to step \d+ is saved\n {2}hint: .*--resume/)

    const rest = await cli(['train', makeConfig(paths, stopped), '--resume', '--json'])
    assert.equal(rest.code, 0, rest.err)
    const { model, report } = JSON.parse(rest.out)
    assert.equal(model, join(stopped, 'run', 'model'))
    assert.ok(report.resumed_from >= 1 && report.resumed_from < 60)

    const whole = await cli(['train', makeConfig(paths, undisturbed), '--quiet'])
    assert.equal(whole.code, 0, whole.err)
    assert.equal(whole.err, '')
    const weights = (folder) => readFileSync(join(folder, 'run/model/model.safetensors'))
    assert.ok(weights(stopped).equals(weights(undisturbed)))
  },
)

dataTest(
  'a log of training is lines of JSON: those of metrics.jsonl, and what is left',
  DATA,
  async (_t, paths) => {
    const folder = emptyFolder()
    const { code, err, out } = await cli(['train', makeConfig(paths, folder), 'steps=5', '--json'])
    assert.equal(code, 0, err)
    const told = err
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const written = readFileSync(join(folder, 'run/metrics.jsonl'), 'utf8').trimEnd().split('\n')
    assert.deepEqual(
      told.map(({ steps, seconds_to_go, ...metrics }) => metrics),
      written.map((line) => JSON.parse(line)),
    )
    assert.deepEqual(
      told.map(({ steps }) => steps),
      [5, 5, 5, 5, 5],
    )
    assert.equal(told.at(-1).seconds_to_go, 0)
    assert.equal(JSON.parse(out).report.steps, 5)
  },
)

dataTest('--dry-run prints the plan and writes nothing', DATA, async (_t, paths) => {
  const folder = emptyFolder()
  const { code, out } = await cli(['train', makeConfig(paths, folder), 'steps=5', '--dry-run', '--json'])
  assert.equal(code, 0, out)
  assert.equal(JSON.parse(out).report.dry_run, true)
  assert.deepEqual(readdirSync(folder), ['config.yaml'])
})

dataTest('an unknown key is a mistake of usage, with the nearest known one', DATA, async (_t, paths) => {
  const { code, err } = await cli(['train', makeConfig(paths, emptyFolder()), 'optimiser.lr=1'])
  assert.equal(code, 2)
  assert.match(err, /optimiser: unknown key\n {2}hint: Did you mean 'optimizer'\?/)
})

dataTest(
  'a training whose stderr nobody reads any more goes on to its end, in silence',
  DATA,
  async (_t, paths) => {
    const folder = emptyFolder()
    const onStart = ({ stderr }) => stderr.once('data', () => stderr.destroy())
    const { code, out } = await cli(['train', makeConfig(paths, folder), '--json'], { onStart })
    assert.equal(code, 0, out)
    assert.equal(JSON.parse(out).report.steps, 60)
    const failed = await cli(['train', makeConfig(paths, folder), '--json'], { onStart })
    assert.equal(JSON.parse(failed.out).error.code, 'ERR_EXISTS')
    assert.equal(failed.code, 1)
  },
)
