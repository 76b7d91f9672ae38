// Real-time factors of the models that run.mjs has kept, all in turns, so that a busy moment falls on all alike:
//   node bench/papers/speech/times.mjs FOLDER/seed-0 [--rounds 8] [--seconds 5] [--threads 1]
// A line of JSON a model: the fastest pass of all rounds over the seconds of sound, and over that of the untouched model.
import { readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { measureSpeed } from 'tongueforge'
import { machine } from '../../statistics.mjs'

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
  },
  allowPositionals: true,
})
const [folder] = positionals
const options = { clipSeconds: Number(values.seconds), threads: Number(values.threads), runs: 6 }
const seed = Number(basename(resolve(folder)).replace('seed-', ''))
const points = join(folder, 'landscape', 'points')
const models = new Map([
  ['original', join(folder, 'base', 'model')],
  ...readdirSync(points).map((name) => [name, join(points, name, 'model')]),
])

const least = new Map()
for (let round = 0; round < Number(values.rounds); round++)
  for (const [name, model] of models) {
    const { real_time_factor: rtf } = await measureSpeed(model, options)
    least.set(name, Math.min(rtf.min, least.get(name) ?? Infinity))
  }
for (const [point, rtf] of least)
  console.log(JSON.stringify({ seed, point, timed: rtf, relative: rtf / least.get('original') }))
console.error(JSON.stringify(machine()))
