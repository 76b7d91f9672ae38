// Swapped weights leave nothing behind.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { report, rounds, runProgram } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const count = rounds({ quick: 200, full: 2000 })
const WIDTH = 128 // 4 MB of weights: swaps that were kept would be 640 MB
const LIMIT = 60e6 // RSS itself wanders by 20 MB

test(`${count} swaps of weights in flat memory`, async (t) => {
  const root = temporaryFolder()
  const [target, base, chat] = ['target', 'base', 'chat'].map((name) => join(root, name))
  for (const [i, folder] of [target, base, chat].entries())
    await writeTinyModel(folder, { seed: i + 1, width: WIDTH })
  const settings = { deadline: 600_000, nodeOptions: ['--expose-gc'] }
  const { rss } = await runProgram('graft_swaps.mjs', { count, target, base, chat }, settings)
  const [first, last] = [rss[1], rss.at(-1)]
  report(t, `RSS ${rss.map((bytes) => bytes >> 20).join(', ')} MiB`)
  assert.ok(last - first < LIMIT, `RSS grows from ${first} to ${last} bytes`)
})
