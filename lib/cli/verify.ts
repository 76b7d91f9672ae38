import { library } from './library'
import { integer, JSON_OPTION, pick } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values {
  chunks?: number
  all?: boolean
  seed?: number
}

export default defineVerb<Values>({
  name: 'verify',
  summary: 'check that a model is what its inputs make: hashes, and chunks of weights made again',
  arguments: [{ name: '<model>', description: 'a model folder that tongueforge wrote' }],
  options: [
    { flags: '--chunks <n>', description: 'chunks that are made again; default: 64', parse: integer },
    { flags: '--all', description: 'make all of them again' },
    { flags: '--seed <n>', description: 'same seed, same chunks; default: 0', parse: integer },
    JSON_OPTION,
  ],
  examples: ['verify llama-zh-chat', 'verify llama-zh-chat --all --json'],
  async run([folder], values, io) {
    const { verify } = library()
    const result = await verify(folder, {
      ...pick(values, ['chunks', 'seed']),
      ...(values.all && { chunks: Number.POSITIVE_INFINITY }),
      signal: io.signal,
      onProgress: ({ done_bytes, total_bytes }) =>
        io.progress.update({ label: 'verify', done: done_bytes, total: total_bytes, unit: 'bytes' }),
    })
    io.progress.end()
    const { inputs, mismatches, ...facts } = result
    if (io.json) io.write(jsonText(result))
    else {
      io.write(factsText(facts))
      io.write(`\n${tableText(inputs.map((input) => ({ ...input })))}`)
      if (mismatches?.length) io.write(`\n${tableText(mismatches.map((place) => ({ ...place })))}`)
    }
    return result.ok ? 0 : 1
  },
})
