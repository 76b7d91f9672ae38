// Golden results of mergekit: what `mergekit-yaml` makes of every case of test/mergekit/cases, on the narrow models of
// test/helpers/merge_models.mjs (SIZES.golden), which any machine makes anew.
//
//     TONGUEFORGE_MERGEKIT_PYTHON=build/mergekit-env/bin/python node test/golden/mergekit/make_golden.mjs [WORD...]
//
// Made with mergekit 0.1.4, torch 2.13.0, transformers 5.3.0 (test/mergekit/requirements.txt), one thread. That release
// has no `ram` and no `ramplus_tl`: those cases come from the program at its commit a6e4028, which gives the same bytes
// as the release in all other cases, but for the order of operands of multislerp and of ids of unions. With words, only
// the cases whose names hold one are made again. Writes beside itself
//
//     CASE.safetensors    every tensor of the result
//     expected.json       {case: {config, tokens, template} or {refused: true}}; tokens where the case has its own
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CASES, GOLDEN_FOLDER, lacksMethod, runMergekit } from '../../helpers/merge_cases.mjs'
import { SIZES } from '../../helpers/merge_models.mjs'
import { readResult } from '../../helpers/merge_results.mjs'
import { startMergekit } from '../../helpers/mergekit.mjs'
import { writeTensors } from '../../helpers/safetensors.mjs'

const words = process.argv.slice(2)
const expectedFile = join(GOLDEN_FOLDER, 'expected.json')
const expected = existsSync(expectedFile) ? JSON.parse(readFileSync(expectedFile, 'utf8')) : {}

const scratch = mkdtempSync(join(tmpdir(), 'tongueforge-golden-'))
const mergekit = startMergekit()
try {
  for (const item of CASES.filter(isWanted)) await make(item)
} finally {
  await mergekit.end()
  rmSync(scratch, { recursive: true })
}
const rows = Object.keys(expected)
  .sort()
  .map((name) => ` ${JSON.stringify(name)}: ${JSON.stringify(expected[name])}`)
writeFileSync(expectedFile, `{\n${rows.join(',\n')}\n}\n`)

function isWanted({ name }) {
  return words.length === 0 || words.some((word) => name.includes(word))
}

async function make(item) {
  const { code, log, out } = await runMergekit(mergekit, item, scratch, SIZES.golden)
  if (lacksMethod(log)) return console.log(`${item.name}: not in this mergekit, left as it is`)
  if ((code !== 0) !== (item.fails ?? false)) throw new Error(`${item.name} ended with code ${code}:\n${log}`)
  expected[item.name] = item.fails ? { refused: true } : store(item, readResult(out))
}

function store({ name, tolerance }, { tensors, config, tokens, template }) {
  const sorted = Object.keys(tensors).sort()
  const file = join(GOLDEN_FOLDER, `${name}.safetensors`)
  writeTensors(
    file,
    sorted.map((tensor) => ({ name: tensor, ...tensors[tensor] })),
  )
  return { config, ...(tolerance.startsWith('tokens') && { tokens }), ...(template && { template }) }
}
