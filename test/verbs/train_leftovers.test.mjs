// What an end by force can leave in a run folder stands in nobody's way. test/stress/kill_verbs.test.mjs makes such ends;
// here they are laid out by hand, one by one.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { ClaimedFolder } from '#lib/verbs/training/claimed_folder'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'
import { stamps } from '../helpers/writing_verbs.mjs'

const home = temporaryFolder()
const config = { ...(await tinyTraining(home, { steps: 4 })), checkpoint: { every: 2, keep: 1 } }
let runs = 0
const newRun = () => ({ ...config, out: join(home, `run-${runs++}`) })

test('an empty folder is a run that was killed as it began', async () => {
  const options = newRun()
  mkdirSync(options.out)
  await train(options, { resume: true }).result
  assert.ok(existsSync(join(options.out, 'model')))
})

test('a folder with something else in it is still refused', async () => {
  const options = newRun()
  mkdirSync(options.out)
  writeFileSync(join(options.out, 'notes.txt'), 'mine')
  await assert.rejects(train(options, { resume: true }).result, { code: 'ERR_EXISTS' })
})

test('a run that another began and left while this one read its inputs is not gone on with', async () => {
  for (const [claim, expected] of [
    [{ resume: false, overwrite: false }, { code: 'ERR_EXISTS' }],
    [{ resume: false, overwrite: true }, 'replaces it'],
    [{ resume: true, overwrite: false }, 'goes on'],
  ]) {
    const options = newRun()
    const folder = new ClaimedFolder(options, [])
    await folder.check(claim)
    await train(options).result
    writeFileSync(join(options.out, 'events.jsonl'), 'what it told\n')
    const held = folder.hold(
      () => {},
      async (replaces) => (replaces ? 'replaces it' : 'goes on'),
    )
    if (typeof expected === 'string') assert.equal(await held, expected)
    else {
      await assert.rejects(held, expected)
      assert.equal(readFileSync(join(options.out, 'events.jsonl'), 'utf8'), 'what it told\n')
      assert.ok(!existsSync(join(options.out, 'run.lock')))
    }
  }
})

test('half-written and half-deleted checkpoints are swept away', async () => {
  const options = newRun()
  await train(options).result
  const checkpoints = join(options.out, 'checkpoints')
  rmSync(join(options.out, 'model'), { recursive: true })
  for (const name of ['.tmp-step-00000003-1.2.abcdef12.12345678', '.trash-step-00000001']) {
    mkdirSync(join(checkpoints, name))
    writeFileSync(join(checkpoints, name, 'state.safetensors'), 'half')
  }
  mkdirSync(join(options.out, '.tmp-model-1.2.abcdef12.12345678'))
  const warnings = []
  await train(options, { resume: true, onWarning: (warning) => warnings.push(warning) }).result
  assert.deepEqual(readdirSync(checkpoints), ['step-00000002'])
  assert.equal(warnings.length, 3)
  assert.ok(warnings.every((warning) => /\.(tmp|trash)-\S+ was left unfinished and is removed/.test(warning)))
  assert.deepEqual(
    readdirSync(options.out).filter((name) => name.startsWith('.')),
    [],
  )
})

test('a run that was killed as it was cleared away is there again', async () => {
  const options = newRun()
  await train(options).result
  const whole = () =>
    stamps(options.out)
      .filter((line) => /^(model|checkpoints|metrics)/.test(line))
      .sort()
  const before = whole()
  const trash = join(options.out, '.trash-run')
  mkdirSync(trash)
  for (const name of ['checkpoints', 'metrics.jsonl', 'model'])
    renameSync(join(options.out, name), join(trash, name))
  const warnings = []
  await train(options, { resume: true, onWarning: (warning) => warnings.push(warning) }).result
  assert.deepEqual(whole(), before)
  assert.ok(!existsSync(trash))
  assert.deepEqual(warnings, [`${options.out} was to be overwritten, and was not: its files are back`])
})

test('a run that was cleared away but for what had to be deleted is gone', async () => {
  const options = newRun()
  await train(options).result
  const trash = join(options.out, '.trash-run')
  mkdirSync(trash)
  for (const name of readdirSync(options.out).filter((name) => name !== '.trash-run'))
    renameSync(join(options.out, name), join(trash, name))
  await train({ ...options, seed: 99 }).result
  assert.match(readFileSync(join(options.out, 'resolved.yaml'), 'utf8'), /^seed: 99$/m)
  assert.ok(!existsSync(trash))
})

test('a folder that cannot be swept is free again at once', async () => {
  const options = newRun()
  await train(options).result
  mkdirSync(join(options.out, 'events.jsonl'))
  const overwriting = () => train(options, { overwrite: true }).result
  await assert.rejects(overwriting(), { code: 'ERR_IO', message: /events\.jsonl: cannot be deleted/ })
  rmSync(join(options.out, 'events.jsonl'), { recursive: true })
  await overwriting()
})

test('a finished run without its report, which is written last, gets it back', async () => {
  const options = newRun()
  const { report } = await train(options).result
  rmSync(join(options.out, 'report.json'))
  await train(options, { resume: true }).result
  assert.deepEqual(JSON.parse(readFileSync(join(options.out, 'report.json'), 'utf8')), report)
})

test('a refused resume leaves resolved.yaml, which its hint names, as it was', async () => {
  const options = newRun()
  await train(options).result
  const before = readFileSync(join(options.out, 'resolved.yaml'), 'utf8')
  await assert.rejects(train({ ...options, seed: 99 }, { resume: true }).result, { code: 'ERR_CHECKPOINT' })
  assert.equal(readFileSync(join(options.out, 'resolved.yaml'), 'utf8'), before)
})
