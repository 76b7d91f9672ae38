/** The small files of a model folder that we write: carried over from another one, with what the result changes. */
import { dirname, join } from 'node:path'
import { copyFile, mkdir, writeFile } from '../writes'
import type { ModelFolder } from './model_folder'

/** Of one file of weights, at most. */
export const MAX_SHARD_BYTES = 5e9

/** Throws ERR_NO_SPACE or ERR_IO. */
export function writeText(folder: string, name: string, text: string): Promise<void> {
  const file = join(folder, name)
  return writeFile(file, text)
}

/** Throws ERR_NO_SPACE or ERR_IO. */
export const writeJson = (folder: string, name: string, content: unknown): Promise<void> =>
  writeText(folder, name, jsonText(content))

/** As all our JSON files have it. */
export const jsonText = (content: unknown): string => `${JSON.stringify(content, null, 2)}\n`

/** Makes a folder and those above it, if they are not there. Throws ERR_NO_SPACE or ERR_IO. */
export const makeFolder = (path: string): Promise<void> => mkdir(path, { recursive: true })

/**
 * Copies all auxiliary files of a model, but those named in `except`. Links become files; those that lead elsewhere are
 * left out (see links.ts), which a warning of Node tells. Throws ERR_NO_SPACE or ERR_IO.
 */
export async function carryOver(
  from: ModelFolder,
  to: string,
  except: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const name of from.leftOut ?? [])
    if (!except.has(name))
      process.emitWarning(
        `${join(from.path, name)}: a link to a file elsewhere, which is not copied into the result; copy the file itself into the folder if it belongs to the model`,
        { code: 'TONGUEFORGE_LINK' },
      )
  for (const name of from.auxiliaryFiles) {
    if (except.has(name)) continue
    const file = join(to, name)
    await mkdir(dirname(file), { recursive: true })
    await copyFile(join(from.path, name), file)
  }
}

const TEMPLATE_FILES = ['chat_template.jinja', 'chat_template.json']
/** Whether a file of a model folder holds a chat template. */
export const isTemplate = (name: string) =>
  TEMPLATE_FILES.includes(name) || name.startsWith('additional_chat_templates/')
