/** A text file that the user names on the command line. */
import { ioError, strictText } from '../checkpoint/json_file'
import { TongueforgeError } from '../errors'
import { readFile } from '../files'

/** Strict UTF-8, without a byte order mark; a pipe is read, too. Throws ERR_NOT_FOUND, ERR_IO, and ERR_DATA for other bytes. */
export async function readText(file: string, option = '--file'): Promise<string> {
  try {
    return strictText(await readFile(file), file, 'ERR_DATA')
  } catch (cause) {
    const { code, message, ...more } = ioError(file, cause as NodeJS.ErrnoException)
    throw new TongueforgeError(code, `${option}: ${message}`, { hint: more.hint, details: { file }, cause })
  }
}
