/** Opening of files that came from someone else: a pipe must not hold a thread, a device must not fill the memory. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { TongueforgeError } from '../errors'
import { OpenFile } from '../files'
import { ioError } from './json_file'

/** An opening of a pipe that nobody writes into waits for ever without O_NONBLOCK; of a file the flag changes nothing. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK

/** Opens a regular file for reading; links are followed. Throws ERR_NOT_FOUND, and ERR_IO for a folder, a pipe or a device. */
export async function openRegular(file: string): Promise<OpenFile> {
  const opened = await OpenFile.open(file, FLAGS).catch((error) => {
    throw openError(file, error)
  })
  const entry = await opened.stat()
  if (entry.isFile()) return opened
  await opened.close()
  throw notRegular(file, entry.isDirectory())
}

/** The same on this thread at once; gives a file descriptor. */
export function openRegularNow(file: string): number {
  const descriptor = openSync(file, FLAGS)
  const entry = fstatSync(descriptor)
  if (entry.isFile()) return descriptor
  closeSync(descriptor)
  throw notRegular(file, entry.isDirectory())
}

/** A socket, and a device without a driver, say ENXIO when they are opened. */
function openError(file: string, error: NodeJS.ErrnoException): TongueforgeError {
  return error.code === 'ENXIO' ? notRegular(file, false) : ioError(file, error)
}

function notRegular(file: string, isFolder: boolean): TongueforgeError {
  const received = isFolder ? 'folder' : 'pipe or device'
  return new TongueforgeError('ERR_IO', `${file}: expected a regular file, received a ${received}`, {
    hint: 'Give the path of a file on disk.',
    details: { file, received },
  })
}
