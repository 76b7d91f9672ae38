// What is said where a resumed run cannot be the same to the bit, and what does not make it another run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrainConfig } from '#lib/verbs/training/config'
import { environment, inexactness } from '#lib/verbs/training/environment'
import { identify } from '#lib/verbs/training/identity'
import { openInputs } from '#lib/verbs/training/plan'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { tinyTraining } from '../../helpers/tiny_training.mjs'

const on = (device, threads = 2) => environment({ device, threads })

test('a checkpoint of other means is said to give other bits, with what has changed', () => {
  assert.equal(inexactness(on('cpu'), on('cpu')), undefined)
  assert.equal(inexactness(on('cuda'), on('cuda:1')), undefined)
  assert.match(inexactness(on('cpu'), on('cuda')), /\(device cpu -> cuda\).*not the same to the bit/)
  assert.match(inexactness(on('cuda'), on('cpu')), /\(device cuda -> cpu\)/)
  assert.match(inexactness(on('cpu', 1), on('cuda', 2)), /\(threads 1 -> 2, device cpu -> cuda\)/)
})

test('a run goes on under the same identity on another device', async () => {
  const folder = temporaryFolder()
  const raw = { ...(await tinyTraining(folder)), out: 'run' }
  const identityOf = async (changes) => {
    const config = await readTrainConfig({ ...raw, ...changes }, [])
    return (await identify(config, await openInputs(config), new AbortController().signal)).sha256
  }
  const known = await identityOf({})
  assert.equal(await identityOf({ device: 'cuda:1', threads: 7 }), known)
  assert.notEqual(await identityOf({ dtype: 'bfloat16' }), known)
})
