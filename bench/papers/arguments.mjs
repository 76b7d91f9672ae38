// What every experiment of this folder is told: node bench/papers/NAME.mjs [--seeds 5,6,7] [--out FOLDER]
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

/** Seeds that no choice of the demo's recipe has seen: bench/miniature_llama.md was tuned on 0 to 2, and read on 3 and 4. */
const SEEDS = '5,6,7'

/** Runs of one `out` are shared between the experiments, and not trained twice. */
export function readArguments({ seeds: defaults = SEEDS, ...more } = {}) {
  const out = join(tmpdir(), 'tongueforge-papers')
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: defaults },
      out: { type: 'string', default: out },
      ...more,
    },
  })
  const seeds = values.seeds.split(',').map(Number)
  if (!seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0))
    throw new Error(`--seeds: expected whole numbers, as in 0,1,2; received ${values.seeds}`)
  const folder = resolve(values.out)
  mkdirSync(folder, { recursive: true })
  return { ...values, seeds, out: folder }
}
