// Loads and disposes of a model again and again, with a job on some of them. Prints {samples, ms}: what the process
// holds after every hundredth of the cycles, [{cycle, rss, threads, files}]. Started with --expose-gc.
import { readdirSync, readFileSync } from 'node:fs'
import { loadModel } from 'tongueforge'

const { count, folder } = JSON.parse(process.argv[2])

function sample(cycle) {
  const status = readFileSync('/proc/self/status', 'utf8')
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1])
  return {
    cycle,
    rss: 1024 * field('VmRSS'),
    threads: field('Threads'),
    files: readdirSync('/proc/self/fd').length,
  }
}

const samples = []
const begin = performance.now()
for (let cycle = 1; cycle <= count; cycle++) {
  const model = await loadModel(folder, { onProgress: () => {} })
  if (cycle % 10 === 0) await model.generateIds([Int32Array.of(1, 2, 3)], { maxNewTokens: 4 })
  await model.dispose()
  if (cycle % Math.ceil(count / 100) === 0) {
    globalThis.gc()
    samples.push(sample(cycle))
  }
}
process.stdout.write(JSON.stringify({ samples, ms: performance.now() - begin }))
