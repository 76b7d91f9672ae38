// What the model that a run starts from says of the data: measured once, and found again by the run on any device.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { StreamPacking } from '#lib/text/packing'
import { StartingModel } from '#lib/verbs/training/starting_model'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { writeTinyModel } from '../../helpers/tiny_model.mjs'

const root = temporaryFolder()
const start = { model: await openModelFolder(await writeTinyModel(join(root, 'model'))), files: [] }
const documents = [[1, 5, 9, 12], [7, 20, 3], [4, 4, 8, 2, 6]] // biome-ignore format: rows
const tokens = {
  count: documents.length,
  total: documents.flat().length,
  length: (i) => documents[i].length,
  firstTarget: () => 1,
  read: async (i, from, ids, labels) => {
    for (const array of [ids, labels]) array.set(documents[i].slice(from, from + array.length))
  },
}
const data = { parts: [new StreamPacking(tokens, { rowLength: 8 })], documents: documents.length }
const none = 'cuda:9' // a device that no machine of these tests has: what is not found cannot be measured

async function said(device, where) {
  const options = { dtype: 'float32', device, threads: 1, rows: 2, signal: new AbortController().signal }
  const model = new StartingModel(start, { ...options, ...where })
  try {
    const { sums, counts } = await model.logProbs('reference', data)
    return { sums: [...sums], counts: [...counts] }
  } finally {
    model.dispose()
  }
}

test('a run that goes on on another device finds what was measured at first', async () => {
  const folder = temporaryFolder()
  await assert.rejects(said(none, { folder }))
  const first = await said('cpu', { folder })
  assert.deepEqual(first.counts, [3, 2, 4])
  assert.deepEqual(await said(none, { folder }), first)
  assert.deepEqual(await said('cpu', { folder }), first)
})

test('other runs take only what the same device has measured', async () => {
  const folder = join(root, 'shared')
  mkdirSync(folder)
  const shared = { folder, environment: { tongueforge: '1' } }
  const first = await said('cpu', { shared })
  assert.deepEqual(await said('cpu', { shared }), first)
  await assert.rejects(said(none, { shared }))
  assert.equal(readdirSync(folder).length, 1)
})
