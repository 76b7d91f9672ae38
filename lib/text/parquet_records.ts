import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { ioError } from '../checkpoint/json_file'
import { TongueforgeError } from '../errors'
import type { NumberedRecord, RecordOptions } from './json_records'
import { notUtf8 } from './lines'
import type { ParquetPiece, ParquetTask } from './parquet_worker'

/** Where a file takes more than this, it is no data file of a size that can be read. */
const LIMITS = { maxOldGenerationSizeMb: 4096 }

/**
 * Reads the rows of a Parquet file as records, a row group in memory at a time, decoded on a thread of its own: nested
 * columns come as lists and objects. `line` is the number of the row, from 1. Throws ERR_DATA, with file:row for text that
 * is not UTF-8, ERR_NOT_FOUND, ERR_IO.
 */
export async function* readParquetRecords(
  file: string,
  columns: readonly string[],
  { onInvalid, signal }: RecordOptions = {},
): AsyncGenerator<NumberedRecord> {
  const task: ParquetTask = { file, columns }
  const worker = new Worker(join(__dirname, 'parquet_worker.js'), {
    workerData: task,
    resourceLimits: LIMITS,
  })
  try {
    let line = 0
    let coming = ask(worker)
    for (;;) {
      const piece = await coming.catch((error: Error) => ({ problem: error.message }))
      signal?.throwIfAborted()
      if ('end' in piece) return
      if ('problem' in piece) throw unreadable(file, piece)
      coming = ask(worker) // decoded while this piece is used
      coming.catch(() => {}) // asked for in vain if the reader stops here
      for (const record of piece.records) {
        line++
        if (typeof record === 'object') yield { record, line }
        else refuse(notUtf8(file, line, ` in the column ${record}`), onInvalid)
      }
    }
  } finally {
    await worker.terminate()
  }
}

function refuse(error: Error, onInvalid: RecordOptions['onInvalid']): void {
  if (!onInvalid) throw error
  onInvalid(error)
}

async function ask(worker: Worker): Promise<ParquetPiece> {
  const answer = once(worker, 'message')
  worker.postMessage('next')
  return (await answer)[0]
}

function unreadable(
  file: string,
  { problem, system }: { problem: string; system?: string },
): TongueforgeError {
  if (system !== undefined) return ioError(file, Object.assign(new Error(problem), { code: system }))
  return new TongueforgeError('ERR_DATA', `${file}: cannot be read as Parquet: ${problem}`, {
    hint: 'Is the file complete? With Python, pyarrow.parquet.ParquetFile(FILE) tells more.',
    details: { file },
  })
}
