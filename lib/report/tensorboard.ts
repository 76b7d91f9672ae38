/**
 * TensorBoard's event files: TFRecords of Event messages. The few fields that we need of event.proto, summary.proto
 * and tensor.proto are encoded by hand; their numbers stand beside them.
 */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { readdir } from '../files'
import { appendFile, mkdir } from '../writes'

/**
 * One file of a run's folder; a resumed run adds another, and TensorBoard reads them all in the order of their names.
 * Whatever was added is in the file when the promise resolves. Throws ERR_NO_SPACE and ERR_IO.
 */
export class EventFile {
  private constructor(readonly path: string) {}

  /**
   * Begins a file. What earlier files of the folder say of `firstStep` and later ones does not count any more: a run
   * that was killed had come further than the checkpoint that it goes on from.
   */
  static async create(folder: string, firstStep: number, now = new Date()): Promise<EventFile> {
    await mkdir(folder, { recursive: true })
    const last = (await readdir(folder)).map(secondsOf).reduce((a, b) => Math.max(a, b), -1)
    // Two within a second still read in their order.
    const seconds = Math.max(Math.floor(now.getTime() / 1000), last + 1)
    const name = `${PREFIX}${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}.${firstStep}`
    const file = new EventFile(join(folder, name))
    // In the first file too: TensorBoard takes the first start that it meets for no restart.
    await file.#append([versionEvent(now), startEvent(firstStep, now)])
    return file
  }

  /** Adds figures, by tag such as `train/loss`. */
  scalars(step: number, values: Readonly<Record<string, number>>, now = new Date()): Promise<void> {
    return this.#append([scalarEvent(step, values, now)])
  }

  /** Adds texts, shown as Markdown. */
  texts(step: number, values: Readonly<Record<string, string>>, now = new Date()): Promise<void> {
    return this.#append([textEvent(step, values, now)])
  }

  #append(events: readonly Uint8Array[]): Promise<void> {
    return appendFile(this.path, Buffer.concat(events.map(record)))
  }
}

const PREFIX = 'events.out.tfevents.'

/** The time in a file's name; -1 for another kind of file. */
function secondsOf(name: string): number {
  const seconds = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : -1
  return Number.isNaN(seconds) ? -1 : seconds
}

/** A TFRecord: length and content, each followed by its masked checksum. */
export function record(content: Uint8Array): Buffer {
  const head = Buffer.alloc(12)
  head.writeBigUInt64LE(BigInt(content.length))
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8)
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(maskedCrc(content))
  return Buffer.concat([head, content, tail])
}

// Event: wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7
export const versionEvent = (now: Date) => event(now, 0, [text(3, 'brain.Event:2')])

// SessionLog: status = 1, and START is 1
export const startEvent = (step: number, now: Date) => event(now, step, [message(7, [integer(1, 1)])])

// Summary: value = 1; Value: tag = 1, simple_value = 2
export const scalarEvent = (step: number, values: Readonly<Record<string, number>>, now: Date) =>
  event(now, step, [
    message(
      5,
      Object.entries(values).map(([tag, value]) => message(1, [text(1, tag), float(2, value)])),
    ),
  ])

// Value: tensor = 8, metadata = 9; TensorProto: dtype = 1 (7: string), tensor_shape = 2, string_val = 8;
// TensorShapeProto: dim = 2 (size = 1); SummaryMetadata: plugin_data = 1 (plugin_name = 1)
export const textEvent = (step: number, values: Readonly<Record<string, string>>, now: Date) =>
  event(now, step, [
    message(
      5,
      Object.entries(values).map(([tag, value]) =>
        message(1, [
          text(1, tag),
          message(8, [integer(1, 7), message(2, [message(2, [integer(1, 1)])]), text(8, value)]),
          message(9, [message(1, [text(1, 'text')])]),
        ]),
      ),
    ),
  ])

function event(now: Date, step: number, fields: readonly Buffer[]): Buffer {
  const head = [double(1, now.getTime() / 1000), ...(step === 0 ? [] : [integer(2, step)])] // 0 is left out
  return Buffer.concat([...head, ...fields])
}

// Protocol buffers: each field is its number and kind, then its value.
const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5
const key = (field: number, kind: number) => varint(field * 8 + kind)

function varint(value: number): Buffer {
  const bytes = []
  let rest = BigInt(value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}

const integer = (field: number, value: number) => Buffer.concat([key(field, VARINT), varint(value)])

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([key(field, FIXED64), bytes])
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return Buffer.concat([key(field, FIXED32), bytes])
}

function bytes(field: number, content: Buffer): Buffer {
  return Buffer.concat([key(field, LENGTH), varint(content.length), content])
}

const text = (field: number, value: string) => bytes(field, Buffer.from(value))
const message = (field: number, fields: readonly Buffer[]) => bytes(field, Buffer.concat(fields))

// CRC-32C (Castagnoli), bits reversed: polynomial 0x82f63b78.
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

export function crc32c(content: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of content) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255]!
  return (crc ^ 0xffffffff) >>> 0
}

// As TFRecord wants it, so that a checksum of data that hold checksums stays strong.
function maskedCrc(content: Uint8Array): number {
  const crc = crc32c(content)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
