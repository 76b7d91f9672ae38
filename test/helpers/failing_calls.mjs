// The hand on test/stress/failing_calls.c: compiles it, and gives it orders through the file that it has mapped.
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { clone } from './cli.mjs'

/** Kinds of write-side calls, in the order of `enum kind`. */
export const KINDS = [
  ...['create', 'mkdir', 'write', 'copy', 'allocate', 'truncate', 'sync', 'close'],
  ...['rename', 'link', 'unlink', 'lock', 'mode'],
]
/** What is done with the call that is met, in the order of `enum action`. */
const ACTIONS = ['count', 'fail', 'shorten', 'lie', 'kill', 'tear']
export const ERRNO = { EIO: 5, ENOSPC: 28, ENOSYS: 38, EDQUOT: 122 }

const WORD = 4
const PATH = 1024
const COUNTS = 7 * WORD
const MET_KIND = COUNTS + KINDS.length * WORD
const UNDER = MET_KIND + WORD
const MET_PATH = UNDER + PATH
const SIZE = MET_PATH + PATH

const maskOf = (kinds) => kinds.reduce((mask, kind) => mask | (1 << KINDS.indexOf(kind)), 0)

/** Compiles the shim into a folder and makes the file of its orders: the environment for a process that is to obey. */
export function compileShim(folder) {
  const [library, orders] = ['failing_calls.so', 'orders'].map((name) => join(folder, name))
  const source = join(clone, 'test/stress/failing_calls.c')
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'])
  writeFileSync(orders, Buffer.alloc(SIZE))
  return { LD_PRELOAD: library, FAIL_CONTROL: orders }
}

/** Orders for all processes that share the file. */
export class FailingCalls {
  constructor(orders) {
    this.file = openSync(orders, 'r+')
  }

  /**
   * From now on counts the calls below `under`. The call number `at` of those of `kinds` is met by `action`; `after` are
   * the kinds of which all later calls are met as well.
   */
  order({ under, action = 'count', kinds = [], at = 0, after = [], error = 'EIO' }) {
    const words = [ACTIONS.indexOf(action), maskOf(kinds), at, maskOf(after), ERRNO[error]]
    const bytes = Buffer.alloc(SIZE)
    words.forEach((word, i) => {
      bytes.writeUInt32LE(word >>> 0, i * WORD)
    })
    bytes.write(under, UNDER)
    writeSync(this.file, bytes, 0, SIZE, 0)
  }

  /** Counts no longer and says what happened: calls by kind, how many were met, and the first of them. */
  over() {
    const bytes = Buffer.alloc(SIZE)
    readSync(this.file, bytes, 0, SIZE, 0)
    writeSync(this.file, Buffer.alloc(SIZE), 0, SIZE, 0)
    const text = (at) => bytes.toString('utf8', at, bytes.indexOf(0, at))
    const met = bytes.readUInt32LE(6 * WORD)
    return {
      counts: Object.fromEntries(KINDS.map((kind, i) => [kind, bytes.readUInt32LE(COUNTS + i * WORD)])),
      met,
      ...(met > 0 && { kind: KINDS[bytes.readUInt32LE(MET_KIND)], path: text(MET_PATH) }),
    }
  }

  close() {
    closeSync(this.file)
  }
}
