import { library } from './library'
import { JSON_OPTION, pick } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values {
  scan?: boolean
}

export default defineVerb<Values>({
  name: 'inspect',
  summary: 'describe a model: architecture, parameters, tensors, origin',
  arguments: [{ name: '<model>', description: 'a model folder, or a run folder' }],
  options: [
    { flags: '--scan', description: 'also count NaN, infinities and zeros of every tensor' },
    JSON_OPTION,
  ],
  examples: ['inspect path/to/model', 'inspect path/to/model --json'],
  async run([folder], values, io) {
    const { inspect } = library()
    const report = await inspect(folder, {
      ...pick(values, ['scan']),
      signal: io.signal,
      onProgress: ({ done_bytes, total_bytes }) =>
        io.progress.update({ label: 'reading weights', done: done_bytes, total: total_bytes, unit: 'bytes' }),
    })
    io.progress.end()
    if (io.json) {
      io.write(jsonText(report))
      return 0
    }
    const { tensors, scan, ...facts } = report
    io.write(factsText(facts))
    io.write(`\n${tableText(tensors.map((tensor) => ({ ...tensor, shape: tensor.shape.join(' x ') })))}`)
    if (scan) io.write(`\n${tableText(scan.map((counts) => ({ ...counts })))}`)
    return 0
  },
})
