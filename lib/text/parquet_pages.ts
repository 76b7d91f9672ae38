/**
 * The heads of the pages of a Parquet file, judged before anything is decoded: the library makes arrays of as many bytes
 * and values as a head claims, be it two thousand million of them behind ten bytes.
 */
import type { FileMetaData, PageHeader } from 'hyparquet'

type Group = FileMetaData['row_groups'][number]
type ColumnData = NonNullable<Group['columns'][number]['meta_data']>

export interface Pages {
  /** Bytes of the file, and any of them. */
  size: number
  slice(start: number, end: number): ArrayBuffer
  /** The head that begins there; moves on. Throws RangeError where it is cut off. */
  header(reader: { view: DataView; offset: number }): PageHeader
}

/** Of a head; it may hold the least and the largest text of its page. */
const FIRST_WINDOW = 1 << 9
const LAST_WINDOW = 1 << 20
/** Runs of one value take next to nothing, so that a few bytes may well stand for so many. */
const FREE_VALUES = 1 << 22
/** What a byte of data may stand for beyond that. */
const VALUES_OF_A_BYTE = 8
/** Bytes that a page may unpack to whatever it has, and those of each of its bytes beyond: writers make pages of a megabyte. */
const FREE_BYTES = 1 << 22
const BYTES_OF_A_BYTE = 2000

/** Throws an Error that says what is wrong with a row group, or with the pages of its columns. */
export function checkPages(group: Group, columns: readonly string[], pages: Pages): void {
  const rows = countOf(group.num_rows, 'rows of a row group')
  for (const { meta_data: column } of group.columns) {
    if (!column || !columns.includes(column.path_in_schema[0]!)) continue
    const values = valuesOf(column, pages)
    if (values < rows)
      throw new Error(
        `expected ${rows} values of ${column.path_in_schema.join('.')} in a row group, its pages have ${values}`,
      )
  }
}

/** Values of a column, as its pages count them. */
function valuesOf(column: ColumnData, pages: Pages): number {
  const name = column.path_in_schema.join('.')
  const room = countOf(column.total_uncompressed_size, `bytes of ${name}`)
  const most = Math.max(FREE_VALUES, VALUES_OF_A_BYTE * room)
  const first = column.dictionary_page_offset || column.data_page_offset
  let offset = countOf(first, `offset of ${name}`)
  const end = offset + countOf(column.total_compressed_size, `compressed bytes of ${name}`)
  if (end > pages.size)
    throw new Error(`expected ${name} within ${pages.size} bytes, received ${offset} to ${end}`)
  let values = 0
  // As the library goes on: a byte that is left over is no page.
  while (offset < end - 1) {
    const { header, at } = headerAt(offset, end, pages)
    const bytes = countOf(header.uncompressed_page_size, `bytes of a page of ${name}`)
    const packed = countOf(header.compressed_page_size, `compressed bytes of a page of ${name}`)
    if (bytes > room)
      throw new Error(`expected pages of ${name} of at most ${room} bytes, received one of ${bytes}`)
    if (at + packed > end)
      throw new Error(`expected a page of ${name} within ${end - at} bytes, received ${packed}`)
    if (bytes > Math.max(FREE_BYTES, BYTES_OF_A_BYTE * packed))
      throw new Error(
        `expected a page of ${name} that unpacks to less, received ${bytes} bytes out of ${packed}`,
      )
    values += valuesIn(header, name)
    if (values > most)
      throw new Error(`expected at most ${most} values of ${name} in ${room} bytes, received ${values}`)
    offset = at + packed
  }
  return values
}

/** Values of one page; those of a dictionary count for nothing, and are no more than its bytes. */
function valuesIn(header: PageHeader, name: string): number {
  const { dictionary_page_header: dictionary, data_page_header: data, data_page_header_v2: second } = header
  if (header.type === 'DICTIONARY_PAGE') {
    const values = countOf(dictionary?.num_values, `values of the dictionary of ${name}`)
    if (values > header.uncompressed_page_size)
      throw new Error(
        `expected at most ${header.uncompressed_page_size} values in the dictionary of ${name}, received ${values}`,
      )
    return 0
  }
  const values = countOf((data ?? second)?.num_values, `values of a page of ${name}`)
  if (second) {
    const { num_nulls, num_rows, definition_levels_byte_length, repetition_levels_byte_length } = second
    const levels =
      countOf(definition_levels_byte_length, `bytes of levels of ${name}`) +
      countOf(repetition_levels_byte_length, `bytes of levels of ${name}`)
    if (countOf(num_nulls, `nulls of ${name}`) > values || countOf(num_rows, `rows of ${name}`) > values)
      throw new Error(
        `expected at most ${values} nulls and rows in a page of ${name}, received ${num_nulls} and ${num_rows}`,
      )
    if (levels > header.compressed_page_size)
      throw new Error(
        `expected levels of ${name} within ${header.compressed_page_size} bytes, received ${levels}`,
      )
  }
  return values
}

/** The head that begins at an offset, and where it ends. */
function headerAt(offset: number, end: number, pages: Pages): { header: PageHeader; at: number } {
  for (let window = FIRST_WINDOW; ; window *= 4) {
    const last = Math.min(end, offset + window)
    const reader = { view: new DataView(pages.slice(offset, last)), offset: 0 }
    try {
      const header = pages.header(reader)
      return { header, at: offset + reader.offset }
    } catch (error) {
      if (!(error instanceof RangeError) || last === end || window >= LAST_WINDOW) throw error
    }
  }
}

/** What the format has as a number of 32 or 64 bits, with a sign. */
function countOf(value: number | bigint | undefined, what: string): number {
  const count = Number(value)
  if (Number.isSafeInteger(count) && count >= 0) return count
  throw new Error(`expected a number of ${what} from 0, received ${value ?? 'nothing'}`)
}
