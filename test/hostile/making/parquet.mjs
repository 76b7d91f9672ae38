// A Parquet file of one column of texts, put together page by page, so that its heads may claim anything.
import { parquetMetadata } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { ByteWriter, parquetWriteBuffer } from 'hyparquet-writer'
import { writePageHeader } from 'hyparquet-writer/src/datapage.js'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'

const MARK = 'PAR1'

/** `page(header)` and `group(rowGroup)` change what a good file of three texts says; both get objects of the library. */
export function parquetWith({
  page = () => {},
  group = () => {},
  codec = 'SNAPPY',
  texts = ['a', 'b', 'c'],
}) {
  const options = { columnData: [{ name: 'text', data: texts, type: 'STRING' }], codec }
  const written = parquetWriteBuffer(options)
  const metadata = parquetMetadata(written)
  const [row_group] = metadata.row_groups
  const column = row_group.columns[0].meta_data
  const start = Number(column.dictionary_page_offset ?? column.data_page_offset)
  const end = start + Number(column.total_compressed_size)
  const chunk = new ByteWriter()
  for (let offset = start; offset < end; ) {
    const reader = { view: new DataView(written, offset, end - offset), offset: 0 }
    const header = parquetHeader(reader)
    const data = new Uint8Array(written, offset + reader.offset, header.compressed_page_size)
    offset += reader.offset + header.compressed_page_size
    page(header)
    writePageHeader(chunk, header)
    chunk.appendBytes(data)
  }
  const bytes = Buffer.from(chunk.getBuffer())
  Object.assign(column, {
    data_page_offset: 4n,
    dictionary_page_offset: undefined,
    total_compressed_size: BigInt(bytes.length),
  })
  for (const key of [
    'column_index_offset',
    'column_index_length',
    'offset_index_offset',
    'offset_index_length',
  ])
    delete row_group.columns[0][key]
  group(row_group)
  const footer = new ByteWriter() // with its length behind it
  writeMetadata(footer, metadata)
  return Buffer.concat([Buffer.from(MARK), bytes, Buffer.from(footer.getBuffer()), Buffer.from(MARK)])
}
