// Merges two models that descend from one base by TIES at several densities, and says what each merge makes of a text.
//   node examples/merge.mjs BASE FIRST SECOND OUT "the text"
import { join } from 'node:path'
import { loadModel, merge } from 'tongueforge'

const [base, first, second, out, text] = process.argv.slice(2)
for (const density of [0.2, 0.5, 1]) {
  const config = {
    merge_method: 'ties',
    base_model: base,
    models: [{ model: first }, { model: second }],
    parameters: { weight: 1, density },
  }
  const { out: folder } = await merge(config, { out: join(out, `density-${density}`), overwrite: true })
  const model = await loadModel(folder)
  const { perplexity } = await model.score(text)
  await model.dispose()
  console.log(`density ${density}: perplexity ${perplexity.toFixed(2)}`)
}
