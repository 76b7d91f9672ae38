/**
 * A folder with a delta: delta.safetensors, and in base/ and chat/ the small files of the models that it is the difference
 * of, so that it can be added without them. docs/file_formats.md has the layout.
 */
import { join, resolve } from 'node:path'
import { DELTA_FORMATS } from '../config/delta'
import { TongueforgeError } from '../errors'
import { type DeltaDescription, type DeltaFigures, runJob } from '../native'
import { mkdir } from '../writes'
import { ioError, readJsonObjectIfPresent } from './json_file'
import { type ModelFolder, openModelFolder } from './model_folder'
import { carryOver } from './write_folder'

/** As native/merge/delta/delta_file.h has it. */
export const DELTA_FILE = 'delta.safetensors'

/** What lies in the metadata of the file, as text. */
export interface DeltaMetadata {
  codec: string
  tool_version: string
  arithmetic: string
  /** SHA-256 of the weight files, by name: JSON. */
  base: string
  chat: string
  [setting: string]: string
}

export interface DeltaFolder {
  /** Absolute path of the folder. */
  path: string
  /** The weight file. */
  file: string
  description: DeltaDescription
  metadata: DeltaMetadata
  base: ModelFolder
  chat: ModelFolder
  /** What was measured when it was made; undefined where report.json is missing. */
  figures: DeltaFigures | undefined
}

/** Throws ERR_NOT_FOUND, ERR_DELTA, ERR_SAFETENSORS, ERR_MODEL_CONFIG. */
export async function openDelta(given: string): Promise<DeltaFolder> {
  const path = resolve(given)
  const file = join(path, DELTA_FILE)
  const description = await runJob('inspectDelta', { path: file }).catch((error: TongueforgeError) => {
    throw error.code === 'ERR_NOT_FOUND' ? noDelta(given, file) : error
  })
  return {
    path,
    file,
    description,
    metadata: checkedMetadata(description, file),
    base: await openModelFolder(join(path, 'base')),
    chat: await openModelFolder(join(path, 'chat')),
    figures: (await readJsonObjectIfPresent(join(path, 'report.json'), { code: 'ERR_DELTA' })) as
      | DeltaFigures
      | undefined,
  }
}

/** Writes base/ and chat/ of a delta that is being made. Throws ERR_NO_SPACE, ERR_IO. */
export async function writeModelsOfDelta(
  folder: string,
  base: ModelFolder,
  chat: ModelFolder,
): Promise<void> {
  for (const [name, model] of Object.entries({ base, chat })) {
    const place = join(folder, name)
    await mkdir(place, { recursive: true })
    await carryOver(model, place)
  }
}

/** SHA-256 of the base's weight files, by name. */
export function baseHashes({ metadata, file }: DeltaFolder): Record<string, string> {
  try {
    return JSON.parse(metadata.base) as Record<string, string>
  } catch {
    throw damaged(file, 'base', metadata.base)
  }
}

function checkedMetadata({ metadata }: DeltaDescription, file: string): DeltaMetadata {
  for (const key of ['codec', 'tool_version', 'arithmetic', 'base', 'chat'])
    if (typeof metadata[key] !== 'string') throw damaged(file, key, metadata[key])
  if (!(DELTA_FORMATS as readonly unknown[]).includes(metadata.codec))
    throw damaged(file, 'codec', metadata.codec, `, one of ${DELTA_FORMATS.join(', ')}`)
  return metadata as DeltaMetadata
}

function damaged(file: string, key: string, received: unknown, more = ''): TongueforgeError {
  return new TongueforgeError(
    'ERR_DELTA',
    `${file}: expected '${key}' among the metadata${more}, received ${received === undefined ? 'none' : JSON.stringify(received)}`,
    { hint: 'Extract the delta again.', details: { file, key } },
  )
}

function noDelta(given: string, file: string): TongueforgeError {
  const { message, details } = ioError(file, { code: 'ENOENT' } as NodeJS.ErrnoException)
  return new TongueforgeError('ERR_NOT_FOUND', `${given}: expected a folder with a delta; ${message}`, {
    hint: 'Make one: tongueforge delta extract --base BASE --chat CHAT --out DELTA',
    details,
  })
}
