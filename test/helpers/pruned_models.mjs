// Zeros of a model folder, where pruning puts them.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { numbersOf, readTensors, writeTensors } from './safetensors.mjs'

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

// The output projection of attention, whose columns are the heads' one after the other.
const OUTPUT = /\.layers?\.(\d+)\.(self_attn\.o(ut)?_proj|attention\.(out_proj|output\.dense))\.weight$/

/** Copies a float32 model without what some heads say: zeros for their columns. `gone`: {layer: heads}. Returns the copy. */
export function withSilentHeads(model, copy, gone, headDim) {
  cpSync(model, copy, { recursive: true })
  const file = join(copy, 'model.safetensors')
  const tensors = Object.entries(readTensors(file)).map(([name, tensor]) => ({ name, ...tensor }))
  let silent = 0
  for (const { name, shape, bytes } of tensors) {
    const weights = new Float32Array(bytes.buffer)
    for (const head of gone[OUTPUT.exec(name)?.[1]] ?? []) {
      for (let row = 0; row < shape[0]; row++)
        weights.fill(0, row * shape[1] + head * headDim, row * shape[1] + (head + 1) * headDim)
      silent++
    }
  }
  if (silent !== Object.values(gone).flat().length) throw new Error(`${file}: not every head was found`)
  writeTensors(file, tensors)
  return copy
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
