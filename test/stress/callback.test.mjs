// A callback that throws ends its job, which rejects with that very error; everything else goes on.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { graft, loadModel } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { report, rounds, withDeadline } from '../helpers/stress.mjs'
import { writeModels } from './models.mjs'

const count = rounds({ quick: 10, full: 200 })

const folders = await writeModels(temporaryFolder())
const { small, large, scratch } = folders
const model = await loadModel(small)

/** Runs `start(callback)`, whose callback throws at its `n`th call. Resolves with whether it came to that. */
async function throwAtCall(n, start) {
  const error = new Error('thrown on purpose')
  let calls = 0
  const callback = () => {
    if (++calls >= n) throw error
  }
  const outcome = start(callback).then(
    () => undefined,
    (rejection) => rejection,
  )
  const rejection = await withDeadline(outcome, 'a job whose callback throws')
  assert.equal(rejection, calls >= n ? error : undefined)
  return calls >= n
}

const JOBS = {
  'progress of loading': (onProgress) => loadModel(large, { onProgress }),
  'progress of scoring': (onProgress) => model.scoreIds([[1, 2, 3]], { onProgress }),
  'tokens of ids': (onToken) => model.generateIds([[1, 2]], { maxNewTokens: 60, onToken }),
  'tokens of text': (onToken) => model.generate('the fox', { maxNewTokens: 60, onToken }).result,
  'progress of grafting': (onProgress) =>
    graft(
      { target: large, base: large, chat: large, out: join(scratch, 'model'), overwrite: true },
      { onProgress },
    ),
}

for (const [name, start] of Object.entries(JOBS)) {
  test(`${count} throws of a callback: ${name}`, async (t) => {
    let thrown = 0
    for (let i = 0; i < count; i++) thrown += (await throwAtCall(1 + (i % 3), start)) ? 1 : 0
    assert.ok(thrown >= count / 3)
    assert.deepEqual(
      readdirSync(scratch).filter((entry) => entry.startsWith('.')),
      [],
    )
    assert.equal((await model.generate('the fox', { maxNewTokens: 4 }).result).ids.length, 4)
    report(t, `${thrown} of ${count} jobs had called so often`)
  })
}

test.after(() => model.dispose())
