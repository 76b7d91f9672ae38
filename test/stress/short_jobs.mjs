// Many short jobs, one kind after the other, on models that stay loaded. Prints {samples, ms, after}: what the process
// holds after every hundredth of them, and when all is closed. Started with --expose-gc.
import { collected } from '../helpers/process_state.mjs'
import { open } from './jobs/index.mjs'

const { count, kinds, inputs, leaky } = JSON.parse(process.argv[2])

const held = [] // of a test of the test: what is kept on purpose
const opened = []
for (const kind of kinds) opened.push(await open(kind, inputs))
const samples = []
const begin = performance.now()
for (let job = 1; job <= count; job++) {
  const { once } = opened[job % opened.length]
  const said = await once()
  if (leaky) held.push(said, new Array(100).fill(job))
  if (job % Math.ceil(count / 100) === 0) samples.push({ job, ...(await collected()) })
}
const ms = performance.now() - begin
for (const { close } of opened) await close()
process.stdout.write(JSON.stringify({ samples, ms, after: await collected() }))
