import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashBeside, sha256 } from '#lib/checkpoint/hashing'
import { recordInput } from '#lib/checkpoint/provenance'
import { temporaryFolder } from '../helpers/folders.mjs'

const root = temporaryFolder()
const hex = (bytes) => createHash('sha256').update(bytes).digest('hex')

function write(name, bytes) {
  writeFileSync(join(root, name), bytes)
  return join(root, name)
}

test('files of all sizes, more of them than threads, have the hash of their bytes', async () => {
  const sizes = [
    0,
    1,
    1 << 20,
    ...Array.from({ length: 2 * availableParallelism() + 3 }, (_, i) => (17 << 20) + i),
  ]
  const files = sizes.map((size, i) => ({ bytes: randomBytes(size), name: `file-${i}` }))
  for (const { bytes, name } of files) write(name, bytes)
  const hashes = await Promise.all(files.map(({ name }) => sha256(join(root, name))))
  assert.deepEqual(
    hashes,
    files.map(({ bytes }) => hex(bytes)),
  )
})

test('a signal ends those that run and those that wait, and later ones have their turn', async () => {
  const big = write('big', Buffer.alloc(400 << 20))
  const stop = new AbortController()
  const reason = new Error('enough')
  const running = Array.from({ length: 3 * availableParallelism() }, () => sha256(big, stop.signal))
  setTimeout(() => stop.abort(reason), 50)
  for (const { reason: error } of await Promise.allSettled(running)) assert.equal(error, reason)
  const small = write('small', Buffer.alloc(20 << 20, 1))
  assert.equal(await sha256(small), hex(Buffer.alloc(20 << 20, 1)))
  rmSync(big)
})

test('a file that is not there is told, on a thread or not', async () => {
  await assert.rejects(sha256(join(root, 'nowhere')), { code: 'ERR_NOT_FOUND' })
})

test('hashes end with the work that fails, and the work is given with its hashes', async () => {
  assert.deepEqual(
    await hashBeside(
      async () => 'hashes',
      async () => 'work',
    ),
    ['work', 'hashes'],
  )
  const failure = new Error('no space')
  let ended
  const hashing = (signal) =>
    new Promise((_, reject) =>
      signal.addEventListener('abort', () => {
        ended = signal.reason
        reject(signal.reason)
      }),
    )
  await assert.rejects(
    hashBeside(hashing, () => Promise.reject(failure)),
    failure,
  )
  assert.equal(ended, failure)
})

test('the hash of large weights is remembered until they change, and never needed', async () => {
  const cache = join(root, 'cache')
  process.env.TONGUEFORGE_DATA_CACHE = cache
  const bytes = randomBytes(65 << 20)
  const file = write('weights', bytes)
  await sleep(2100) // what has just been written may change unseen
  const record = async () => (await recordInput('model', root, ['weights'])).files[0].sha256
  assert.equal(await record(), hex(bytes))
  const [entry] = readdirSync(join(cache, 'hashes')).map((name) => join(cache, 'hashes', name))
  writeFileSync(entry, readFileSync(entry, 'utf8').replace(hex(bytes), 'remembered'))
  assert.equal(await record(), 'remembered')
  utimesSync(file, new Date(), new Date())
  assert.equal(await record(), hex(bytes))
  process.env.TONGUEFORGE_DATA_CACHE = '/proc/nowhere'
  assert.equal(await record(), hex(bytes))
  delete process.env.TONGUEFORGE_DATA_CACHE
  rmSync(file)
})
