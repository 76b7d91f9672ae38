/** Where a run comes from, for the end of its chapter: what read what, with hashes, and the config as it ran. */
import { join } from 'node:path'
import { z } from 'zod'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { toYaml } from '../../config/parse'
import type { Block, TableRow } from '../../report/blocks'
import { checked, type Folder } from './folder'
import { bytesText } from './words'

const schema = z.looseObject({
  tool_version: z.string(),
  verb: z.string(),
  numerics: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  inputs: z.array(
    z.looseObject({
      role: z.string(),
      path: z.string(),
      files: z.array(z.looseObject({ name: z.string(), bytes: z.number(), sha256: z.string() })),
    }),
  ),
})

export type Origin = z.output<typeof schema>

/** Of the folder, or of the model that a run has made. Throws ERR_DATA. */
export async function originOf(folder: Folder): Promise<Origin | undefined> {
  for (const name of ['provenance.json', join('model', 'provenance.json')]) {
    const found = await readJsonObjectIfPresent(join(folder.path, name), { code: 'ERR_DATA' })
    if (found !== undefined) return checked(schema, found, folder, name)
  }
  return undefined
}

/** Folded: whoever asks how it was made, asks for all of it. */
export async function provenanceBlocks(folder: Folder, files: string): Promise<Block[]> {
  const origin = await originOf(folder)
  const blocks: Block[] = []
  if (origin !== undefined) blocks.push(...originBlocks(origin, files))
  const hashes = ['config_sha256', 'inputs_sha256']
    .filter((key) => typeof folder.report?.[key] === 'string')
    .map((key) => `${key} ${folder.report![key]}`)
  if (hashes.length > 0) blocks.push({ kind: 'prose', text: `report.json: ${hashes.join('; ')}.` })
  const folded: Block[] = blocks.length > 0 ? [{ kind: 'folded', title: 'Where it comes from', blocks }] : []
  if (folder.config !== undefined)
    folded.push({
      ...{ kind: 'folded', title: 'The config as it ran', blocks: [] },
      text: toYaml(folder.config),
    })
  return folded
}

function originBlocks({ tool_version, verb, numerics, inputs }: Origin, files: string): Block[] {
  const how = Object.entries(numerics).map(([key, value]) => `${key} ${value}`)
  const rows = inputs.flatMap(({ role, path, files: all }) =>
    all.map(({ name, bytes, sha256 }): TableRow => ({ role, path, file: name, bytes, sha256 })),
  )
  const made = `Written by tongueforge ${tool_version}, ${verb}${how.length > 0 ? `; ${how.join(', ')}` : ''}.`
  return [
    { kind: 'prose', text: made },
    {
      ...{ kind: 'table', file: `${files}-inputs`, caption: 'Files that were read', rows },
      columns: [
        { key: 'role', title: 'as' },
        { key: 'file', title: 'file', prose: true },
        { key: 'bytes', title: 'size', format: bytesText },
        { key: 'sha256', title: 'SHA-256', format: (hash: string) => hash.slice(0, 16) },
        { key: 'path', title: 'from', prose: true },
      ],
    },
  ]
}
