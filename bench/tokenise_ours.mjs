// One measurement for tokenise.mjs: encode a corpus into a fresh cache, then read every row of an epoch from it.
import { statSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openCached } from '#lib/text/cache/cache'
import { resolveSource } from '#lib/text/documents'
import { epochBatches, StreamPacking } from '#lib/text/packing'
import { Tokenizer } from '#lib/text/tokenizer'

const [path, folder, cache, rowLength] = process.argv.slice(2)
const delay = monitorEventLoopDelay({ resolution: 1 })
const text = { tokenizer: await Tokenizer.load(folder), template: undefined }
const began = performance.now()
const cpu = process.cpuUsage()
delay.enable()
const encoding = { objective: 'cp', options: { loss: 'all' }, text }
const options = { cache, invalid: 'fail', maxInvalid: 0 }
const { tokens, manifest } = await openCached(await resolveSource({ path }), encoding, options)
const encoded = performance.now()
const rows = new StreamPacking(tokens, { rowLength: Number(rowLength), seed: 1 })
let count = 0
for await (const batch of epochBatches(rows, 8)) count += batch.tokens
const ended = performance.now()
delay.disable()
const { user, system } = process.cpuUsage(cpu)
await tokens.close()
process.stdout.write(
  JSON.stringify({
    seconds: (ended - began) / 1000,
    cpu_seconds: (user + system) / 1e6,
    reading_rows_seconds: (ended - encoded) / 1000,
    tokens: manifest.tokens,
    packed: count,
    bytes_on_disk: Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0),
    source_bytes: statSync(path).size,
    peak_rss_mb: process.resourceUsage().maxRSS / 1024,
    loop_delay_ms: { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
  }),
)
