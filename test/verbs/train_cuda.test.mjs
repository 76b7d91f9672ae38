// A training on a GPU, by the public API: trained, stopped, resumed, exported, and the result asked on both devices.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadModel } from 'tongueforge'
import { native } from '#lib/native'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const skip = native().runtimeInfo().gpus === 0 && 'libtorch sees no GPU here'
const cudaTest = (name, body) => test(`cuda: ${name}`, { skip }, body)

const home = temporaryFolder()
const tiny = { ...(await tinyTraining(home, { steps: 20 })), device: 'cuda' }
let runs = 0
const newRun = (changes = {}) => ({ ...tiny, ...changes, out: join(home, `run-${runs++}`) })
const weights = ({ out }) => readFileSync(join(out, 'model/model.safetensors'))
const lines = ({ out }) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
const losses = (run) => lines(run).map(({ loss }) => loss)

cudaTest('every line tells the memory of the GPU, and recorded steps learn what others do', async () => {
  const [recorded, plain] = [
    newRun({ dtype: 'bfloat16', graph: 'auto' }),
    newRun({ dtype: 'bfloat16', graph: 'off' }),
  ]
  const { report } = await train(recorded).result
  await train(plain).result
  for (const { device_memory_bytes, device_peak_memory_bytes } of lines(recorded)) {
    assert.ok(device_memory_bytes > 0 && device_memory_bytes <= device_peak_memory_bytes)
    assert.ok(device_peak_memory_bytes <= report.device_peak_memory_bytes)
  }
  const expected = losses(plain)
  for (const [i, loss] of losses(recorded).entries())
    assert.ok(Math.abs(loss / expected[i] - 1) < 0.02, `step ${i + 1}: ${loss}, not recorded ${expected[i]}`)
})

/** Stops a run as soon as a step was shown. */
async function stopped(config, step) {
  const stop = new AbortController()
  const run = train(config, { signal: stop.signal })
  await assert.rejects(async () => {
    for await (const shown of run) if (shown.step >= step) stop.abort(new Error('enough'))
  })
}

cudaTest('losses are those of the CPU', async () => {
  const [there, here] = [newRun(), newRun({ device: 'cpu' })]
  await train(there).result
  await train(here).result
  const expected = losses(here)
  for (const [i, loss] of losses(there).entries())
    assert.ok(Math.abs(loss / expected[i] - 1) < 1e-3, `step ${i + 1}: ${loss}, on the CPU ${expected[i]}`)
})

cudaTest('a run that was stopped and resumed ends with the bytes of one that was not', async () => {
  for (const how of [
    { dtype: 'float32' },
    { dtype: 'bfloat16' },
    { dtype: 'bfloat16', graph: 'auto' },
    { dtype: 'bfloat16', graph: 'auto', deterministic: true, activation_checkpointing: 'block' },
  ]) {
    const [whole, halted] = [newRun(how), newRun(how)]
    await train(whole).result
    await stopped(halted, 9)
    await train(halted, { resume: true }).result
    assert.deepEqual(weights(halted), weights(whole), JSON.stringify(how))
  }
})

cudaTest('a run goes on on the CPU, and says that its bits are not the same', async () => {
  const config = newRun()
  await stopped(config, 9)
  const warnings = []
  const resumed = train(
    { ...config, device: 'cpu' },
    { resume: true, onWarning: (text) => warnings.push(text) },
  )
  const { report } = await resumed.result
  assert.equal(report.steps, tiny.steps)
  assert.match(warnings.join('\n'), /device cuda -> cpu/)
})

cudaTest('the result generates the same text on both devices', async () => {
  const config = newRun()
  const { model } = await train(config).result
  const said = async (device) => {
    const loaded = await loadModel(model, { device })
    try {
      return (await loaded.generate([1, 2, 3], { maxNewTokens: 8 })).ids
    } finally {
      await loaded.dispose()
    }
  }
  assert.deepEqual(await said('cuda'), await said('cpu'))
})
