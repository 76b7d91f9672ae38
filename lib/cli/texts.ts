/** Texts for a text encoder: one on the command line, or the lines of a file. */
import type { TextsDone } from '../verbs/encoder_options'
import { exactlyOne, JSON_OPTION, type ModelValues, PLAIN_MODEL_OPTIONS } from './options'
import { readText } from './text_file'
import type { Io, Option } from './verb'

export interface TextsValues extends Omit<ModelValues, 'adapter'> {
  text?: string
  file?: string
  truncate?: boolean
}

export const TEXTS_OPTIONS: Option[] = [
  { flags: '--text <text>', description: 'the text' },
  { flags: '--file <file>', description: 'a text file, UTF-8, one text a line; empty lines are left out' },
  { flags: '--truncate', description: 'cut texts that are longer than the model has positions' },
  ...PLAIN_MODEL_OPTIONS,
  JSON_OPTION,
]

export async function textsOf({ text, file }: TextsValues): Promise<string[]> {
  exactlyOne({ text, file }, { text: '--text', file: '--file' })
  if (text !== undefined) return [text]
  const content = await readText(file!)
  return content.split(/\r?\n/).filter((line) => line.trim() !== '')
}

/** Options of the call, as the command line and the terminal have them. */
export const callOptions = ({ truncate }: TextsValues, io: Io) => ({
  truncate,
  signal: io.signal,
  onProgress: ({ done, total }: TextsDone) =>
    io.progress.update({ label: 'encoding', done, total, unit: 'texts' }),
})
