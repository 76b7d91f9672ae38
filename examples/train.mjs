// Trains a few steps; stopped by Ctrl-C or SIGTERM, it goes on where it was when it is run again.
// node examples/train.mjs MODEL CORPUS OUT; after `npm run demo`, say:
// node examples/train.mjs demo-out/base demo-out/world/cp_b.jsonl demo-out/more
import { train } from 'tongueforge'

const [model, corpus, out] = process.argv.slice(2)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => stop.abort(new Error('stopped: run it again to go on')))

const config = {
  objective: 'cp',
  model,
  out,
  data: [{ path: corpus }],
  sequence_length: 64,
  steps: 20,
  threads: 1,
}
const run = train(config, { resume: true, signal: stop.signal })
for await (const { step, loss } of run) console.log(step, loss.toFixed(3))
const { model: folder, report } = await run.result
console.log(`${folder}: ${Math.round(report.tokens_per_second)} tokens/s`)
