// A merge as a step of CI: made from its YAML, verified, measured on a text, and refused where it says less of it than
// LIMIT (1.05) times the best of its models. In a workflow, after `npm ci` and `npx tongueforge setup`:
//   - run: node examples/merge_in_ci.mjs merge.yaml merged held_out.txt
import { appendFile, readFile } from 'node:fs/promises'
import { loadModel, merge, verify } from 'tongueforge'

const [config, out, file, limit = '1.05'] = process.argv.slice(2)
const text = await readFile(file, 'utf8')

async function perplexityOf(folder) {
  const model = await loadModel(folder)
  const { perplexity } = await model.score(text)
  await model.dispose()
  return perplexity
}

// What is wrong with the config or the models fails here, before anything is read or written.
const { bytes_to_write } = await merge(config, { out, overwrite: true, dryRun: true })
console.log(`writes ${(bytes_to_write / 1e6).toFixed(1)} MB`)
const { models, warnings } = await merge(config, { out, overwrite: true })
const { ok, notes } = await verify(out)

const rows = []
for (const folder of [...models, out]) rows.push([folder, await perplexityOf(folder)])
const [, merged] = rows.at(-1)
const best = Math.min(...rows.slice(0, -1).map(([, perplexity]) => perplexity))

const lines = rows.map(([folder, perplexity]) => `| ${folder} | ${perplexity.toFixed(2)} |`)
const table = ['| model | perplexity |', '| --- | --- |', ...lines, ''].join('\n')
console.log(table)
if (process.env.GITHUB_STEP_SUMMARY) await appendFile(process.env.GITHUB_STEP_SUMMARY, table)

for (const line of [...warnings, ...notes]) console.error(line)
if (!ok) console.error(`${out}: not what was written`)
if (merged > Number(limit) * best)
  console.error(`perplexity ${merged.toFixed(2)}, allowed ${limit} x ${best.toFixed(2)}`)
process.exitCode = ok && merged <= Number(limit) * best ? 0 : 1
