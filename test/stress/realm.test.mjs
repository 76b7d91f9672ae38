// In a realm other than that of the addon, errors and arrays are those of the realm that the caller lives in.
import assert from 'node:assert/strict'
import { cpSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { libraryInNewRealm } from '../helpers/realm.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const { library, globals } = libraryInNewRealm()
const home = temporaryFolder()
const folder = await writeTinyModel(join(home, 'model'))

/** Awaits a rejection that must be an error made in the realm. */
async function failure(promise) {
  const error = await promise.then(
    () => assert.fail('expected a rejection'),
    (rejection) => rejection,
  )
  assert.ok(error instanceof library.TongueforgeError, String(error))
  assert.ok(error instanceof globals.Error)
  assert.ok(!(error instanceof Error))
  return error
}

test('what the native side refuses is a TongueforgeError of the realm', async () => {
  const broken = join(home, 'broken')
  cpSync(folder, broken, { recursive: true })
  truncateSync(join(broken, 'model.safetensors'), 1000)
  const error = await failure(library.loadModel(broken))
  assert.equal(error.code, 'ERR_SAFETENSORS')
  assert.match(error.message, /model\.safetensors/)
})

test('so is what the native side refuses at once, and what the library refuses', async () => {
  const model = await library.loadModel(folder)
  assert.equal((await failure(model.generateIds([[1]], { topK: -1 }))).code, 'ERR_USAGE')
  assert.equal((await failure(model.generateIds([[1e6]]))).code, 'ERR_DATA')
  await model.dispose()
  assert.equal((await failure(model.scoreIds([[1, 2]]))).code, 'ERR_DISPOSED')
})

test('arrays are those of the realm', async () => {
  const model = await library.loadModel(folder)
  const { data } = await model.logits([[1, 2]])
  assert.ok(data instanceof globals.Float32Array)
  const [{ ids }] = await model.generateIds([[1]], { maxNewTokens: 2 })
  assert.ok(ids instanceof globals.Array)
  await model.dispose()
})

test('an abort rejects with its reason, a callback that throws with what it threw', async () => {
  const reason = new globals.Error('enough')
  const isReason = (error) => error === reason
  await assert.rejects(library.loadModel(folder, { signal: AbortSignal.abort(reason) }), isReason)
  const onProgress = () => {
    throw reason
  }
  await assert.rejects(library.loadModel(folder, { onProgress }), isReason)
})
