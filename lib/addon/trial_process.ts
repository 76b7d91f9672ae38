// What trial.ts starts: loads the addon on a libtorch, lets it compute something, says 'ok' or what failed on
// descriptor 3. Arguments: the folder of libtorch, the addon.
import { writeSync } from 'node:fs'
import { loadOn } from './preload'

interface Loaded {
  runtimeInfo(): unknown
  matmulRate(options: object, listener: () => void): { promise: Promise<unknown> }
}

async function main([libtorch = '', addon = '']: string[]): Promise<void> {
  const loaded = loadOn(libtorch, addon) as Loaded
  loaded.runtimeInfo()
  await loaded.matmulRate({ dtype: 'float32', device: 'cpu', seconds: 0, threads: 1 }, () => {}).promise
}

main(process.argv.slice(2)).then(
  () => writeSync(3, 'ok'),
  (error: Error) => {
    writeSync(3, error.message)
    process.exitCode = 1
  },
)
