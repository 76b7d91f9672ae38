// The evaluation as a command: its table, its document, and what it says when it is stopped.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { startJudge } from '../helpers/judge.mjs'
import { sleep } from '../helpers/stress.mjs'
import { writeTinyJudging } from '../helpers/tiny_judging.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { writeTinyTasks } from '../helpers/tiny_tasks.mjs'

describe('tongueforge evaluate', () => {
  const root = temporaryFolder()
  const model = join(root, 'model')
  const files = writeTinyTasks(join(root, 'tasks'))
  before(() => writeTinyModel(model))

  test('a dry run counts; a run prints a table, of two models with differences; --json the report', async () => {
    const out = join(root, 'run')
    const args = [
      'evaluate',
      `a=${model}`,
      `b=${model}`,
      '--tasks',
      `${files.tiny},${files.tiny_pages}`,
      '--out',
      out,
      '--threads',
      '1',
    ]
    const plan = await cli([...args, '--dry-run'])
    assert.equal(plan.code, 0, plan.err)
    assert.match(plan.out, /^model +task +num_fewshot +documents +requests +tokens +targets$/m)
    assert.equal(existsSync(out), false)
    const run = await cli([...args, '--num-fewshot', '1'])
    assert.equal(run.code, 0, run.err)
    assert.match(
      run.out,
      /^task +shots +documents +metric +model +value +stderr +difference +95 % interval$/m,
    )
    assert.match(run.out, /^tiny +1 +12 +acc +b +0\.\d+ +0\.\d+ +\+0 +\+0 to \+0$/m)
    assert.match(run.err, /a: tiny /)
    const again = await cli([...args, '--num-fewshot', '1', '--resume', '--json'])
    const report = JSON.parse(again.out)
    assert.equal(report.measured, 0)
    assert.deepEqual(report, JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')))
    assert.deepEqual(
      report.models.map(({ name }) => name),
      ['a', 'b'],
    )
  })

  test('stopped, it says that its tasks are kept and how to go on, and exits with 75', async () => {
    const many = writeTinyTasks(join(root, 'many'), { documents: 6000 })
    const out = join(root, 'stopped')
    const tasks = [many.tiny_pages, many.tiny].join(',')
    const stopped = await cli(
      ['evaluate', model, '--tasks', tasks, '--out', out, '--threads', '1', '--num-fewshot', '6'],
      {
        onStart: async (child) => {
          while (!existsSync(join(out, 'results.jsonl')) || !readFileSync(join(out, 'results.jsonl'), 'utf8'))
            await sleep(5)
          child.kill('SIGTERM')
        },
      },
    )
    assert.equal(stopped.code, 75, stopped.err)
    assert.match(stopped.err, /what was written is kept/)
    assert.match(stopped.err, /hint: npx tongueforge evaluate .* --resume/)
  })

  test('a config file says it all; keys and flags are set over it', async () => {
    const file = join(root, 'evaluation.yaml')
    writeFileSync(
      file,
      `models: [${model}]\ntasks: [${files.tiny}]\nout: ${join(root, 'unused')}\nlimit: 3\n`,
    )
    const out = join(root, 'by_file')
    const run = await cli([
      'evaluate',
      file,
      'limit=4',
      'threads=1',
      '--out',
      out,
      '--num-fewshot',
      '1',
      '--json',
    ])
    assert.equal(run.code, 0, run.err)
    const { results, settings } = JSON.parse(run.out)
    assert.equal(results[0].documents, 4)
    assert.equal(settings.num_fewshot, 1)
    for (const [args, missing] of [
      [['--out', out], '--tasks'],
      [['--tasks', 'arc_easy'], '--out'],
    ]) {
      const wrong = await cli(['evaluate', model, ...args])
      assert.equal(wrong.code, 2)
      assert.match(wrong.err, new RegExp(`${missing}: expected it beside models`))
    }
  })

  test('a judge is named by flags; a dry run foretells its requests', async (t) => {
    const stub = await startJudge(t, (_, i) => `[[${i % 2 === 0 ? 8 : 7.5}]]`)
    const data = join(root, 'data')
    writeTinyJudging(data)
    const yaml = join(root, 'short.yaml')
    const short = 'generation: { max_new_tokens: 4 }\nthreads: 1\n'
    writeFileSync(
      yaml,
      `models: [${model}]\ntasks: [vicuna]\nout: ${join(root, 'judged')}\ndata: ${data}\n${short}`,
    )
    const args = ['evaluate', yaml, '--judge-model', 'stub', '--judge-url', stub.url]
    const plan = await cli([...args, '--dry-run'])
    assert.match(plan.out, /targets +judgments\n.* 6$/m)
    const run = await cli(args)
    assert.equal(run.code, 0, run.err)
    assert.match(run.out, /^vicuna +0 +6 +score +model +7\.75 /m)
    assert.match(run.out, /judged +6/)
    assert.equal(stub.requests.length, 6)
  })

  test('killed while it judges and gone on with, nothing that was told is asked again', async (t) => {
    const stub = await startJudge(t, async () => {
      await sleep(30)
      return '[[6]]'
    })
    const out = join(root, 'killed')
    const yaml = join(root, 'killed.yaml')
    const judge = `judge: { model: stub, url: "${stub.url}", concurrency: 1 }`
    const asked = `models: [${model}]\ntasks: [mt_bench]\nout: ${out}\ndata: ${join(root, 'data')}`
    writeFileSync(yaml, `${asked}\n${judge}\ngeneration: { max_new_tokens: 4 }\nthreads: 1\n`)
    const file = join(out, 'judgments/model/judgments_mt_bench_stub_single.jsonl')
    const told = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0)
    await cli(['evaluate', yaml], {
      onStart: async (child) => {
        while (told() < 3) await sleep(5)
        child.kill('SIGKILL')
      },
    })
    const [kept, before] = [told(), stub.requests.length]
    assert.ok(kept >= 3 && kept < 12)
    const rest = await cli(['evaluate', yaml, '--resume', '--json'])
    assert.equal(rest.code, 0, rest.err)
    const { measured, judged } = JSON.parse(rest.out)
    assert.deepEqual([measured, judged, stub.requests.length], [0, 12 - kept, before + 12 - kept])
  })

  test('a wrong name of a task is usage, and under --json a document', async () => {
    const wrong = await cli(['evaluate', model, '--tasks', 'arc_esay', '--out', join(root, 'no'), '--json'])
    assert.equal(wrong.code, 2)
    const { error } = JSON.parse(wrong.out)
    assert.equal(error.code, 'ERR_CONFIG')
    assert.match(error.hint, /Did you mean 'arc_easy'/)
  })
})
