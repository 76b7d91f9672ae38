import { library } from './library'
import { JSON_OPTION } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

export default defineVerb({
  name: 'inspect',
  summary: 'describe a model: architecture, parameters, tensors, origin',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: [JSON_OPTION],
  examples: ['inspect path/to/model', 'inspect path/to/model --json'],
  async run([folder], _values, io) {
    const { inspect } = library()
    const report = await inspect(folder, {
      signal: io.signal,
      onProgress: ({ done_bytes, total_bytes }) =>
        io.progress.update({ label: 'reading weights', done: done_bytes, total: total_bytes, unit: 'bytes' }),
    })
    io.progress.end()
    if (io.json) {
      io.write(jsonText(report))
      return 0
    }
    const { tensors, ...facts } = report
    io.write(factsText(facts))
    io.write(`\n${tableText(tensors.map((tensor) => ({ ...tensor, shape: tensor.shape.join(' x ') })))}`)
    return 0
  },
})
