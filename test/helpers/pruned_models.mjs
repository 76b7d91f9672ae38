// Zeros of a model folder, where pruning puts them.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { numbersOf, readTensors } from './safetensors.mjs'

const IN_BLOCK = /\.layers\.\d+\.(self_attn|mlp)\.\w+_proj\.(weight|bias)$/

/** {name: numbers} of the weights and biases of linear layers in blocks. */
export function prunableArrays(model) {
  return Object.fromEntries(
    Object.entries(readTensors(join(model, 'model.safetensors')))
      .filter(([name]) => IN_BLOCK.test(name))
      .map(([name, tensor]) => [name, numbersOf(tensor)]),
  )
}

/** How many of them are zero, of how many. */
export function countZeros(model) {
  const all = Object.values(prunableArrays(model))
  const total = all.reduce((sum, numbers) => sum + numbers.length, 0)
  const zeros = all.reduce((sum, numbers) => sum + numbers.filter((value) => value === 0).length, 0)
  return { total, zeros }
}

/** Places of zeros: `name:i`. */
export function zeroPlaces(model) {
  return new Set(
    Object.entries(prunableArrays(model)).flatMap(([name, numbers]) =>
      [...numbers.keys()].filter((i) => numbers[i] === 0).map((i) => `${name}:${i}`),
    ),
  )
}

/** Makes every third prunable weight of a float32 model zero. */
export function pruneThirds(model) {
  const file = join(model, 'model.safetensors')
  const bytes = readFileSync(file)
  const data = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, data))
  for (const [name, { data_offsets: [begin, end] = [] }] of Object.entries(header)) {
    if (!IN_BLOCK.test(name)) continue
    for (let at = data + begin; at < data + end; at += 12) bytes.writeFloatLE(0, at)
  }
  writeFileSync(file, bytes)
}
