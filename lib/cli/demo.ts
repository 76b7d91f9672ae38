import { join } from 'node:path'
import { TongueforgeError } from '../errors'
import type { DemoRow } from '../index'
import { library } from './library'
import { integer, JSON_OPTION, pick } from './options'
import { jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values {
  out?: string
  seed?: number
  overwrite?: boolean
}

export default defineVerb<Values>({
  name: 'demo',
  summary: 'run two papers in miniature, InsCP and the chat vector, on a generated two-language world',
  arguments: [],
  options: [
    { flags: '--out <folder>', description: 'where models and report go; default: demo-out' },
    { flags: '--seed <n>', description: 'another world and other weights; default: 0', parse: integer },
    { flags: '--overwrite', description: 'train again what an earlier demo has left there' },
    JSON_OPTION,
  ],
  examples: ['demo', 'demo --out my-demo'],
  async run(_args, values, io) {
    const { demo } = library()
    const options = { ...pick(values, ['out', 'seed', 'overwrite']), signal: io.signal }
    const result = await demo({ ...options, onProgress: (progress) => io.progress.update(progress) }).catch(
      (error) => {
        throw io.signal.aborted ? stopped(values) : error
      },
    )
    io.progress.end()
    if (io.json) {
      io.write(jsonText(result))
      return 0
    }
    io.write(`\n${tableText(result.table.map(inPercent))}\n`)
    for (const { claim, expected, measured, holds } of result.claims) {
      io.write(`${holds ? 'holds' : 'fails'}  ${claim}: ${measured} (sign: ${expected})\n`)
    }
    io.write(`\nreport  ${result.report}\nchat    npx tongueforge chat ${join(result.out, 'ins_cp')}\n`)
    return 0
  },
})

const SHARES = {
  lid_a: 'in A for A',
  lid_b: 'in B for B',
  stop_a: 'stop A',
  stop_b: 'stop B',
  ref_a: 'refuses A',
  ref_b: 'refuses B',
  ok_a: 'right A',
  ok_b: 'right B',
} as const

function inPercent(row: DemoRow): Record<string, unknown> {
  const shares = Object.entries(SHARES).map(([key, title]) => [
    title,
    Math.round(100 * row[key as keyof typeof SHARES]),
  ])
  return { model: row.model, ...Object.fromEntries(shares), 'ppl B': row.ppl_b }
}

// Every run of the demo goes on from its newest checkpoint.
function stopped({ out }: Values): TongueforgeError {
  return new TongueforgeError('ERR_INTERRUPTED', 'The demo was stopped', {
    hint: `Go on with: npx tongueforge demo${out === undefined ? '' : ` --out ${out}`}`,
    details: { resumable: true },
  })
}
