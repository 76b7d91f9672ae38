// Disk that an adaptation takes at its most, from what each stage needs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diskBytes } from '#lib/verbs/adapting/needs'

const stage = (name, models, model_bytes, working_bytes = 0) => ({
  stage: { name, verb: 'train', models },
  ...{ model_bytes, working_bytes },
})
const of = (name) => ({ stage: name })
const chat = { folder: 'chat' }

const stages = [
  stage('chat-cp', { model: chat }, 10, 30),
  stage('cp-evaluate', { cp: of('chat-cp') }, 0),
  stage('base-cp', { model: { folder: 'base' } }, 10, 30),
  stage('cp_vector-vector', { target: of('base-cp'), base: { folder: 'base' }, chat }, 10),
  stage('cp_vector-evaluate', { cp_vector: of('cp_vector-vector') }, 0),
  stage('chat-inscp', { model: chat }, 10, 30),
  stage('inscp-evaluate', { inscp: of('chat-inscp') }, 0),
]

test('with keep: all every model counts, and the checkpoints of one training', () => {
  assert.equal(diskBytes(stages, { keep: 'all' }), 10 + 10 + 10 + 10 + 30)
})

test('with keep: picked one that may win stays beside what is made, and what is still needed', () => {
  assert.equal(diskBytes(stages, { keep: 'picked' }), 10 + 10 + 30)
  const [large] = [stage('chat-cp', { model: chat }, 50, 30), ...stages.slice(1)]
  assert.equal(diskBytes([large, ...stages.slice(1)], { keep: 'picked' }), 50 + 10 + 30)
})

test('what is done takes no more', () => {
  const done = new Set(['chat-cp', 'cp-evaluate', 'base-cp'])
  assert.equal(
    diskBytes(stages, { keep: 'picked' }, (name) => done.has(name)),
    10 + 10 + 30,
  )
  assert.equal(
    diskBytes(stages, { keep: 'all' }, () => true),
    0,
  )
})
