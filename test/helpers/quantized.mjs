// Quantised folders by the words of docs/file_formats.md.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { numbersOf, readTensors, writeArrays } from './safetensors.mjs'

/** Whether a tensor stands for a quantised weight, with others. */
export const isPackedPart = (name) => /\.weight_(packed|scale|shape|zero_point)$/.test(name)

/** Writes the model with floats in place of its four bits with zero points in groups. */
export function writeDense(folder, model) {
  cpSync(model, folder, { recursive: true })
  const tensors = readTensors(join(model, 'model.safetensors'))
  const plain = Object.entries(tensors)
    .filter(([name]) => !isPackedPart(name))
    .map(([name, tensor]) => ({ name, ...tensor, dtype: 'float32', data: numbersOf(tensor) }))
  const unpacked = Object.keys(tensors)
    .filter((name) => name.endsWith('_packed'))
    .map((name) => unpackedWeight(tensors, name.slice(0, -'_packed'.length)))
  writeArrays(join(folder, 'model.safetensors'), [...plain, ...unpacked])
  const { quantization_config: _, ...config } = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
}

function unpackedWeight(tensors, name) {
  const part = (end) => tensors[`${name}_${end}`]
  const words = (end) => new Uint32Array(part(end).bytes.buffer)
  const [packed, scales, zeros] = [words('packed'), numbersOf(part('scale')), words('zero_point')]
  const [rows, columns] = [...new BigInt64Array(part('shape').bytes.buffer)].map(Number)
  const groups = scales.length / rows
  const code = (word, place) => ((word >>> (4 * (place % 8))) & 15) - 8
  const data = Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns]
    const group = Math.floor(column / (columns / groups))
    const weight = code(packed[row * Math.ceil(columns / 8) + Math.floor(column / 8)], column)
    // Zero points lie along the outputs.
    const zero = code(zeros[Math.floor(row / 8) * groups + group], row)
    return (weight - zero) * scales[row * groups + group]
  })
  return { name, shape: [rows, columns], dtype: 'float32', data }
}
