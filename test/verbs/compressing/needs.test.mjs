// Disk and memory that a pipeline needs, before it begins.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkNeeds } from '#lib/verbs/compressing/needs'
import { temporaryFolder } from '../../helpers/folders.mjs'

const out = temporaryFolder()
const memory = { stage: '02-recover', bytes: 1, advice: 'Train adapters with lora: {}.' }

test('a disk that would fill up is met before the first stage', async () => {
  await assert.rejects(
    checkNeeds(out, { disk_bytes: 1e18, memory_bytes: 1, memory }, () => {}),
    {
      code: 'ERR_NO_SPACE',
      message:
        /expected 1000000000000000000 free bytes for the models of the stages and the result, found \d+$/,
      hint: 'Free space, choose another out, or keep: last.',
    },
  )
})

test('memory that the machine does not have is met before the first stage, with the one that needs it', async () => {
  const needs = { disk_bytes: 1, memory_bytes: 1e18, memory: { ...memory, bytes: 1e18 } }
  await assert.rejects(
    checkNeeds(out, needs, () => {}),
    {
      code: 'ERR_OUT_OF_MEMORY',
      hint: 'It is the most that a stage needs, 02-recover. Train adapters with lora: {}.',
    },
  )
})
