import type { ReportResult } from '../index'
import { library } from './library'
import { JSON_OPTION, pick } from './options'
import { factsText, jsonText } from './print'
import { defineVerb } from './verb'

interface Values {
  out: string
  title?: string
  overwrite?: boolean
}

export default defineVerb<Values>({
  name: 'report',
  summary: 'one page, to read or send, from the folders of runs',
  arguments: [
    {
      name: '<folders...>',
      description: 'folders that other commands have written, in the order of the page',
    },
  ],
  options: [
    {
      flags: '--out <file>',
      description: 'the page, FILE.html; its charts and numbers come into FILE_files/',
      required: true,
    },
    { flags: '--title <text>', description: 'of the page; default: of what it tells' },
    { flags: '--overwrite', description: 'replace an earlier report' },
    JSON_OPTION,
  ],
  examples: [
    'report runs/inscp --out report.html',
    'report runs/cp runs/inscp runs/scores --out report.html --title "Llama for Traditional Chinese"',
  ],
  async run([folders], values, io) {
    const { report } = library()
    const result = await report(folders, {
      ...pick(values, ['out', 'title', 'overwrite']),
      ...{ signal: io.signal, onProgress: (progress) => io.progress.update(progress) },
    })
    io.progress.end()
    io.write(io.json ? jsonText(result) : resultText(result))
    return 0
  },
})

function resultText({ page, files_folder, runs, files }: ReportResult): string {
  const lines = runs.map(
    ({ kind, name, done }) => `${kind}  ${name}${done ? `  not finished: ${done}` : ''}\n`,
  )
  return `${lines.join('')}${factsText({ page, files_folder, files: files.length })}`
}
