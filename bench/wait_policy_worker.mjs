// One measurement of wait_policy.mjs: prints the steps a second of a run of 30, the first ten left out.
import { join } from 'node:path'
import { train } from '#lib/verbs/train'
import { writeDatasets } from '#lib/world/datasets'
import { DATASET_SIZES, tokenizerFolder, trainConfig } from '#lib/world/recipe'
import { writeTokenizer } from '#lib/world/tokenizer'
import { World } from '#lib/world/world'

const [folder, threads] = process.argv.slice(2)
const places = { world: join(folder, 'world'), runs: join(folder, 'runs') }
await writeDatasets(new World(0), places.world, { ...DATASET_SIZES, base_documents: 2000 })
await writeTokenizer(tokenizerFolder(places, 'base'), { endOfTurn: false })
const config = { ...trainConfig('base', places, 0), steps: 30, threads: Number(threads) }
const times = []
for await (const _ of train(config, { overwrite: true })) times.push(performance.now())
console.log((1000 * (times.length - 11)) / (times.at(-1) - times[10]))
