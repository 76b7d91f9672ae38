/** A folder that a report is made of: what every kind of run is recognised by, and read by. */
import { basename, join, resolve } from 'node:path'
import type { z } from 'zod'
import { ioError, type JsonObject, readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { readYaml } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { readdir } from '../../files'
import { readLines } from '../../text/lines'

export interface Folder {
  /** As it was given. */
  path: string
  /** The last part of the path, told apart from those of other folders. */
  name: string
  /** Of what lies in it, sorted. */
  files: readonly string[]
  /** resolved.yaml: the config as it ran. */
  config: JsonObject | undefined
  /** What writes such a config: train, sweep, graft... */
  verb: string | undefined
  /** report.json: there when the run has come to its end. */
  report: JsonObject | undefined
}

/** Samples and points make a report long, but not longer than this. */
const MAX_REPORT_BYTES = 256 * 2 ** 20

/** Throws ERR_NOT_FOUND, ERR_IO; ERR_DATA, ERR_CONFIG for files of it that are damaged. */
export async function openFolder(path: string): Promise<Folder> {
  const files = await readdir(path).catch((error) => {
    throw ioError(path, error)
  })
  const file = join(path, 'resolved.yaml')
  const read = files.includes('resolved.yaml') ? await readYaml(file) : undefined
  const config = isObject(read) ? read : undefined
  return {
    ...{ path, name: basename(resolve(path)), files: files.sort(), config, verb: config && verbOf(config) },
    report: await readJsonObjectIfPresent(join(path, 'report.json'), {
      code: 'ERR_DATA',
      maxBytes: MAX_REPORT_BYTES,
    }),
  }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The configs of train and of sweep are older than the key `verb`. */
function verbOf({ verb, objective, objectives }: JsonObject): string | undefined {
  if (typeof verb === 'string') return verb
  if (objectives !== undefined) return 'sweep'
  return objective === undefined ? undefined : 'train'
}

/** What a file of a folder has to hold. Throws ERR_DATA that names the file and the key. */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  { path }: Folder,
  name: string,
): z.output<Schema> {
  const { success, data, error } = schema.safeParse(value)
  if (success) return data
  const [issue] = error.issues
  const [file, key] = [join(path, name), issue!.path.join('.')]
  throw new TongueforgeError('ERR_DATA', `${file}: ${key}: ${issue!.message}`, {
    hint: 'Run again what wrote this folder, with this version, or leave the folder out.',
    details: { file, key },
  })
}

/** Lines of JSON, up to one that is only half written; none where there is no such file. Throws ERR_DATA, ERR_IO. */
export async function linesOf<Schema extends z.ZodType>(
  schema: Schema,
  folder: Folder,
  name: string,
): Promise<z.output<Schema>[]> {
  if (!folder.files.includes(name)) return []
  const found: z.output<Schema>[] = []
  for await (const { text, number, complete } of readLines(join(folder.path, name))) {
    if (!complete) break
    if (text.trim() !== '') found.push(checked(schema, parsed(text), folder, `${name}:${number}`))
  }
  return found
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the schema says what was expected
  }
}
