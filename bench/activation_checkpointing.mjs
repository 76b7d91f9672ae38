// Peak memory and tokens a second with and without activation checkpointing, on long rows:
//   node bench/activation_checkpointing.mjs [pairs] [width] [layers] [tokens a row] [steps]
import { compareKinds } from './training_kinds.mjs'

const [pairs = 3, width = 384, layers = 12, sequence_length = 2048, steps = 4] = process.argv
  .slice(2)
  .map(Number)
const kinds = { none: {}, block: { activation_checkpointing: 'block' } }

await compareKinds(kinds, {
  pairs,
  size: { width, layers },
  config: { sequence_length, batch_size: 2, steps },
})
