import { doctor } from '../verbs/doctor'
import { JSON_OPTION } from './options'
import { factsText, jsonText } from './print'
import { defineVerb } from './verb'

export default defineVerb({
  name: 'doctor',
  summary: 'say what was found on this machine, what is missing, and how to mend it',
  arguments: [],
  options: [JSON_OPTION],
  examples: ['doctor', 'doctor --json'],
  async run(_args, _values, io) {
    const report = await doctor()
    const { ok, problems, ...facts } = report
    if (io.json) io.write(jsonText(report))
    else io.write(factsText(facts))
    if (!io.json) {
      for (const { code, message, hint } of problems) io.write(`\n${code}: ${message}\n  mend it: ${hint}\n`)
      if (ok) io.write('no problem found\n')
    }
    return ok ? 0 : 1
  },
})
