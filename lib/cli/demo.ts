import { library } from './library'
import { JSON_OPTION, pick } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values {
  out?: string
}

export default defineVerb<Values>({
  name: 'demo',
  summary: 'run the three papers in miniature on a generated two-language world',
  arguments: [],
  options: [
    { flags: '--out <folder>', description: 'where models and report go; default: demo-out' },
    JSON_OPTION,
  ],
  examples: ['demo', 'demo --out my-demo'],
  async run(_args, values, io) {
    const { demo } = library()
    const result = await demo({
      ...pick(values, ['out']),
      signal: io.signal,
      onProgress: (progress) => io.progress.update(progress),
    })
    io.progress.end()
    if (io.json) {
      io.write(jsonText(result))
      return 0
    }
    const { table, ...facts } = result
    io.write(`\n${tableText(table)}\n${factsText(facts)}`)
    return 0
  },
})
