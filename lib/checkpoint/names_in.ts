import { readdir } from '../files'
import { ioError } from './json_file'

/** What is in a folder, by name; nothing where there is no folder. Throws ERR_IO: one that cannot be listed is not empty. */
export async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw ioError(folder, error)
  })
}
