// Tests on real data, which is not part of the project: it lies in the folder that TONGUEFORGE_DATA names, or in
// ../shared/data beside the clone. A test whose data is absent is skipped, visibly, and counted: `npm test` closes
// with the numbers that these tests leave in TONGUEFORGE_REAL_DATA_LOG, a word a line.
import { appendFileSync, existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const clone = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const folder = resolve(process.env.TONGUEFORGE_DATA ?? join(clone, '../shared/data'))

/** Where a file or folder of the real data lies, there or not. */
export function dataPath(relativePath) {
  return join(folder, relativePath)
}

/** Registers `fn(t, path)` as a test on `relativePath` (a path, or a list of paths: then fn gets the list too). */
export function dataTest(name, relativePath, fn) {
  const wanted = [relativePath].flat()
  const missing = wanted.find((path) => !existsSync(dataPath(path)))
  if (missing) {
    log('skipped')
    return test(name, {
      skip: `no ${missing} in the data folder (TONGUEFORGE_DATA, or ../shared/data)`,
    }, () => {})
  }
  const paths = wanted.map(dataPath)
  return test(name, (t) => {
    log('ran')
    return fn(t, Array.isArray(relativePath) ? paths : paths[0])
  })
}

function log(word) {
  const file = process.env.TONGUEFORGE_REAL_DATA_LOG
  if (file) appendFileSync(file, `${word}\n`)
}
