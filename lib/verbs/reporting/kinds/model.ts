/** A model or delta that a short verb has written: graft, merge, delta, adapter, convert. Where it comes from is its story. */
import type { Block, TableRow } from '../../../report/blocks'
import type { KeyFigure } from '../../../report/document'
import { defineKind } from '../kind'
import { type Origin, originOf } from '../provenance'
import { bytesText, count, figureOf, modelName } from '../words'

interface Made {
  origin: Origin
  report: Record<string, unknown>
}

export default defineKind<Made>({
  title: 'Model',
  looksFor: 'of graft, merge, delta, adapter, vocab, convert: provenance.json',
  recognises: ({ files }) => files.includes('provenance.json'),
  async read(folder) {
    return { origin: (await originOf(folder))!, report: folder.report ?? {} }
  },
  summary({ origin: { verb, inputs }, report }) {
    const from = inputs.map(({ role, path }) => `${modelName(path)} as ${role}`).join(', ')
    const bytes = inputs.flatMap(({ files }) => files).reduce((sum, file) => sum + file.bytes, 0)
    return {
      sentence: `Made by ${verb}${from === '' ? '' : ` from ${from}`}.`,
      figures: [
        ...scaleFigure(report.scale),
        ...figureOf('files read', inputs.flatMap(({ files }) => files).length, String, bytesText(bytes)),
      ],
    }
  },
  details: async ({ origin, report }, _, files) => [
    ...inputsTable(origin, files),
    ...factsTable(report, files),
  ],
})

function scaleFigure(scale: unknown): KeyFigure[] {
  if (typeof scale === 'number') return figureOf('scale', scale, String)
  if (typeof scale !== 'object' || scale === null) return []
  return figureOf('scales', Object.keys(scale).length, String, 'by part, below')
}

function inputsTable({ inputs }: Origin, files: string): Block[] {
  const rows = inputs.map(
    ({ role, path, files: all }): TableRow => ({
      ...{ role, model: modelName(path), files: all.length },
      bytes: all.reduce((sum, file) => sum + file.bytes, 0),
      path,
    }),
  )
  if (rows.length === 0) return []
  const caption = `Made from ${count(rows.length, 'input')}`
  return [
    {
      ...{ kind: 'table', file: `${files}-from`, caption, rows },
      columns: [
        { key: 'role', title: 'as' },
        { key: 'model', title: 'model' },
        { key: 'files', title: 'files' },
        { key: 'bytes', title: 'size', format: bytesText },
        { key: 'path', title: 'folder', prose: true },
      ],
    },
  ]
}

/** Numbers and words of report.json, by the path that they have there; lists and places on this machine are left out. */
function factsTable(report: Record<string, unknown>, files: string): Block[] {
  const rows = flat(report).filter(({ fact }) => !LEFT_OUT.test(fact))
  if (rows.length === 0) return []
  const columns = [
    { key: 'fact', title: 'fact' },
    {
      key: 'value',
      title: 'value',
      format: (value: unknown) => (typeof value === 'number' ? value.toLocaleString('en') : String(value)),
    },
  ]
  return [{ kind: 'table', file: `${files}-facts`, caption: 'What its report tells', columns, rows }]
}

const LEFT_OUT = /^(out|dry_run|free_bytes|inputs_sha256)$/

function flat(value: object, prefix = ''): { fact: string; value: string | number | boolean }[] {
  return Object.entries(value).flatMap(([key, inner]) => {
    if (Array.isArray(inner) || inner === null) return []
    if (typeof inner === 'object') return flat(inner, `${prefix}${key}.`)
    return [{ fact: prefix + key, value: inner as string | number | boolean }]
  })
}
