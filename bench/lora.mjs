// Peak memory and tokens a second of training all weights, and of LoRA: node bench/lora.mjs [pairs] [width] [layers]
import { compareKinds } from './training_kinds.mjs'

const [pairs = 3, width = 512, layers = 8] = process.argv.slice(2).map(Number)
const kinds = { full: {}, lora: { lora: { rank: 16, merge: false } } }
const config = { sequence_length: 128, batch_size: 2, steps: 10 }

await compareKinds(kinds, { pairs, size: { width, layers }, config })
