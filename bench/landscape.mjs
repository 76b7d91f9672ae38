// The example page of docs/landscape.md: the recipe on a model, its page, table and config copied to docs/examples/landscape.
//   node bench/landscape.mjs MODEL CORPUS HELD_OUT [--out runs/landscape] [--threads 1] [key.path=value ...]
// CORPUS calibrates and recovers, HELD_OUT is measured. Stopped, the same command goes on. Nothing of the machine's paths
// comes into what is copied: files are called by their names.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { landscape } from 'tongueforge'
import { applyOverrides, readYaml, toYaml } from '#lib/config/parse'
import { root } from '../scripts/steps.mjs'

const { values: given, positionals } = parseArgs({
  options: {
    out: { type: 'string', default: 'runs/landscape' },
    threads: { type: 'string', default: '1' },
  },
  allowPositionals: true,
})
const [model, corpus, heldOut, ...changes] = positionals
if (heldOut === undefined) throw new Error('expected MODEL CORPUS HELD_OUT')

const PLACES = ['evaluate.data.0.path', 'calibration.data.0.path', 'recovery.data.0.path']
const called = (name) => [
  `model=${name(model)}`,
  ...PLACES.map((key, i) => `${key}=${name([heldOut, corpus, corpus][i])}`),
]
const recipe = await readYaml(join(root, 'recipes/landscape.yaml'))
const config = applyOverrides(recipe, [
  ...called(String),
  `out=${given.out}`,
  `threads=${given.threads}`,
  ...changes,
])

const run = landscape(config, { resume: true, onWarning: (message) => process.stderr.write(`${message}\n`) })
for await (const { point, perplexity, error } of run)
  process.stderr.write(`${point}: ${error?.message ?? `perplexity ${perplexity?.toPrecision(4)}`}\n`)
const { points, failed } = await run.result

const examples = join(root, 'docs/examples/landscape')
mkdirSync(examples, { recursive: true })
for (const name of ['landscape.html', 'landscape.csv'])
  copyFileSync(join(given.out, name), join(examples, name))
const shown = applyOverrides(config, [...called(basename), 'out=runs/landscape'])
writeFileSync(join(examples, 'landscape.yaml'), toYaml(shown))
if (readFileSync(join(examples, 'landscape.html'), 'utf8').includes(model))
  throw new Error('the page tells of a path')
process.stdout.write(
  `${points.length} points, ${failed.length} failed: docs/examples/landscape/landscape.html\n`,
)
