// Loads and disposes of a model again and again, with a job on some of them. Prints {samples, ms}: what the process
// holds after every hundredth of the cycles. Started with --expose-gc.
import { loadModel } from 'tongueforge'
import { collected } from '../helpers/process_state.mjs'

const { count, folder, device } = JSON.parse(process.argv[2])

const samples = []
const begin = performance.now()
for (let cycle = 1; cycle <= count; cycle++) {
  const model = await loadModel(folder, { device, onProgress: () => {} })
  if (cycle % 10 === 0) await model.generateIds([Int32Array.of(1, 2, 3)], { maxNewTokens: 4 })
  await model.dispose()
  if (cycle % Math.ceil(count / 100) === 0) samples.push({ job: cycle, ...(await collected()) })
}
process.stdout.write(JSON.stringify({ samples, ms: performance.now() - begin }))
