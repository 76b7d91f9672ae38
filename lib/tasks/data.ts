/** The files of a data set below the user's data folder, and their records. docs/evaluate.md tells the layouts. */
import { extname, join, relative } from 'node:path'
import { glob } from 'tinyglobby'
import { TongueforgeError } from '../errors'
import { readdir, stat } from '../files'
import { COMPRESSIONS } from '../text/chunks'
import { readCsvRecords } from '../text/csv_records'
import { readJsonRecords } from '../text/json_records'
import { readParquetRecords } from '../text/parquet_records'
import type { DataSource, Doc, Split } from './task'

/** Where a split lies, `{config}` and `{split}` filled in and the ending taken off; small and capital letters are the same. */
const USUAL = [
  '{config}/{split}',
  '{config}_{split}',
  '{config}-{split}',
  'data/{config}/{split}',
  'data/{config}_{split}',
  '{split}/{config}_{split}',
  'data/{split}/{config}_{split}',
]
const WITHOUT_CONFIG = ['{split}', 'data/{split}', 'default/{split}']

/** What data sets call a split. */
const SPLIT_NAMES: Readonly<Record<Split, readonly string[]>> = {
  train: ['train'],
  validation: ['validation', 'valid', 'val', 'dev'],
  test: ['test'],
  dev: ['dev'],
}

const READERS: Readonly<
  Record<string, (file: string, source: DataSource, signal?: AbortSignal) => AsyncIterable<{ record: Doc }>>
> = {
  '.parquet': (file, { columns }, signal) => readParquetRecords(file, columns, { signal }),
  '.jsonl': (file, _, signal) => readJsonRecords(file, { signal }),
  '.json': (file, _, signal) => readJsonRecords(file, { signal }),
  '.csv': (file, { csv_columns }, signal) => readCsvRecords(file, { columns: csv_columns, signal }),
}
/** Where a split is there in several kinds of files, the first of these is read. */
export const DATA_ENDINGS = Object.keys(READERS)

/** The files of one split, in the order in which they are read. */
export interface SplitFiles {
  files: string[]
  source: DataSource
}

/** The data files in a folder and below it. */
export type ListFiles = (folder: string) => Promise<string[]>

/** Each folder is listed once, for all tasks that look into it. */
export function listedOnce(list: ListFiles = filesBelow): ListFiles {
  const known = new Map<string, Promise<string[]>>()
  return (folder) => {
    if (!known.has(folder)) known.set(folder, list(folder))
    return known.get(folder)!
  }
}

/** Throws ERR_NOT_FOUND that names what was looked for and what is there, or the parts that are missing; ERR_DATA. */
export async function findSplit(
  data: string,
  source: DataSource,
  split: Split,
  list: ListFiles = filesBelow,
): Promise<SplitFiles> {
  if (source.paths !== undefined) return { files: [...(source.paths[split] ?? [])], source }
  const names = namesOf(source, split)
  for (const folder of source.folders) {
    const place = join(data, folder)
    const all = await list(place)
    for (const name of names) {
      const matching = all.filter((file) => stem(relative(place, file)) === name)
      for (const ending of DATA_ENDINGS) {
        const files = matching.filter((file) => endingOf(file) === ending).sort()
        if (files.length > 0) return { files: shardsOf(files), source }
      }
    }
  }
  throw await notFound(data, source, split, names)
}

/** The records, in order. Throws ERR_DATA, ERR_IO; `signal.reason` when aborted. */
export async function readSplit({ files, source }: SplitFiles, signal?: AbortSignal): Promise<Doc[]> {
  const docs: Doc[] = []
  for (const file of files)
    for await (const { record } of READERS[endingOf(file)]!(file, source, signal))
      docs.push(withNumbers(record) as Doc)
  return docs
}

/** Parquet's long whole numbers as numbers: records are compared, and written as JSON. */
function withNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(withNumbers)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withNumbers(inner)]))
}

function namesOf({ config, files = [] }: DataSource, split: Split): string[] {
  const patterns = [...(config === undefined ? WITHOUT_CONFIG : USUAL), ...files]
  return (SPLIT_NAMES[split] ?? [split]).flatMap((name) =>
    patterns.map((pattern) =>
      pattern
        .replaceAll('{config}', config ?? '')
        .replaceAll('{split}', name)
        .toLowerCase(),
    ),
  )
}

/** Data files in a folder and below it; none where there is no folder. */
async function filesBelow(folder: string): Promise<string[]> {
  const found = await stat(folder).catch(() => undefined)
  if (!found?.isDirectory()) return []
  const names = await glob('**/*', { cwd: folder, expandDirectories: false })
  return names.map((name) => join(folder, name)).filter((file) => endingOf(file) in READERS)
}

const unpacked = (file: string) =>
  COMPRESSIONS.reduce((name, ending) => (name.endsWith(ending) ? name.slice(0, -ending.length) : name), file)

const endingOf = (file: string) => extname(unpacked(file)).toLowerCase()

const SHARD = /-(\d{5})-of-(\d{5})$/

/** A path without ending, and without the number of a part. */
function stem(path: string): string {
  const plain = unpacked(path)
  return plain
    .slice(0, plain.length - extname(plain).length)
    .replaceAll('\\', '/')
    .replace(SHARD, '')
    .toLowerCase()
}

/**
 * All parts where it is in parts, each once, in order; else the one file. Throws ERR_NOT_FOUND for parts that are missing,
 * ERR_DATA where it is in parts twice.
 */
function shardsOf(files: readonly string[]): string[] {
  const parts = files.flatMap((file) => {
    const [, number, total] = SHARD.exec(unpacked(file).slice(0, -endingOf(file).length)) ?? []
    return number === undefined ? [] : [{ file, number: Number(number), total: Number(total) }]
  })
  if (parts.length === 0) return [files[0]!]
  const [{ file, total }] = parts as [(typeof parts)[number]]
  const other = parts.find((part) => part.total !== total)
  if (other !== undefined) throw otherParts(file, other.file)
  // Some count from 1.
  const numbers = new Set(parts.map(({ number }) => number))
  const first = numbers.has(total) && !numbers.has(0) ? 1 : 0
  const beyond = parts.find(({ number }) => number >= first + total)
  if (beyond !== undefined) throw noSuchPart(beyond.file, total)
  // Of one that is there packed, too, the first.
  const byNumber = new Map([...parts].reverse().map((part) => [part.number, part.file]))
  const found = Array.from({ length: total }, (_, i) => byNumber.get(first + i))
  const missing = found.flatMap((one, i) => (one === undefined ? [partOf(file, first + i)] : []))
  if (missing.length > 0) throw partsMissing(missing, total)
  return found as string[]
}

const partOf = (file: string, number: number) =>
  file.replace(/-\d{5}(-of-\d{5}[^/\\]*)$/, `-${String(number).padStart(5, '0')}$1`)

const NAMED_PARTS = 3

function partsMissing(missing: readonly string[], total: number): TongueforgeError {
  const named = missing.slice(0, NAMED_PARTS).join(', ')
  const more = missing.length > NAMED_PARTS ? ` and ${missing.length - NAMED_PARTS} more` : ''
  return new TongueforgeError(
    'ERR_NOT_FOUND',
    `${named}${more}: expected all ${total} parts of the split, found ${total - missing.length}`,
    {
      hint: 'Was the download broken off? hf download goes on with it; it has --repo-type dataset and --local-dir.',
      details: { missing: [...missing] },
    },
  )
}

const otherParts = (file: string, other: string) =>
  new TongueforgeError('ERR_DATA', `${other}: expected parts of one split, found ${file} beside it`, {
    hint: 'Take the files of an earlier download away.',
    details: { files: [file, other] },
  })

const noSuchPart = (file: string, total: number) =>
  new TongueforgeError('ERR_DATA', `${file}: expected a part of ${total}, numbered from 0 or from 1`, {
    hint: 'Was it renamed? Parts are called as the dataset calls them.',
    details: { file },
  })

async function notFound(
  data: string,
  { folders }: DataSource,
  split: Split,
  names: readonly string[],
): Promise<TongueforgeError> {
  const there = (await readdir(data).catch(() => [])).filter((name) => !name.startsWith('.')).sort()
  const found = there.length > 0 ? there.slice(0, 8).join(', ') : 'nothing'
  const [folder = ''] = folders
  const looked = names.slice(0, 3).map((name) => join(data, folder, name))
  return new TongueforgeError(
    'ERR_NOT_FOUND',
    `${join(data, folder)}: expected the split ${split}, as ${looked.join(', ')} or another usual name, ending in ${DATA_ENDINGS.join(', ')}; found none`,
    {
      hint: `${data} holds ${found}. docs/evaluate.md#data lists the names; hf download has --repo-type dataset and --local-dir.`,
      details: { data, folders, split, names: [...names] },
    },
  )
}
