// Grafts a loaded model again and again, with calls that run across the swaps. Prints {rss}: what the process holds,
// in bytes, after every tenth of the swaps. Started with --expose-gc.
import { readFileSync } from 'node:fs'
import { loadModel } from 'tongueforge'

const { count, target, base, chat } = JSON.parse(process.argv[2])

const residentBytes = () =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])

const model = await loadModel(target, { threads: 1 })
const rss = []
for (let swap = 1; swap <= count; swap++) {
  const running = model.scoreIds([Int32Array.of(1, 2, 3)])
  await (swap % 5 === 0 ? model.ungraft() : model.graft({ base, chat }, { scale: swap / count }))
  await running
  if (swap % Math.ceil(count / 10) !== 0) continue
  globalThis.gc()
  rss.push(residentBytes())
}
await model.dispose()
process.stdout.write(JSON.stringify({ rss }))
