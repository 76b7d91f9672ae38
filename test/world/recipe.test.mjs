import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { countParameters } from '#lib/counting/parameters'
import { cognateRows } from '#lib/world/cognates'
import { ARCHITECTURE, INITIALIZATION, RECIPES, trainConfig } from '#lib/world/recipe'
import { VOCABULARY } from '#lib/world/tokenizer'
import { languageOfWord, meaningOf } from '#lib/world/words'

const PLACES = { world: 'demo/world', runs: 'demo/runs' }

test('the demo’s architecture is a Llama of 368,544 parameters', () => {
  assert.equal(countParameters(decoderSpec(ARCHITECTURE)), 368544)
})

test('each B row starts from the row of its own A word', () => {
  const pairs = cognateRows()
  assert.equal(pairs.length, 90)
  for (const [b, a] of pairs) {
    assert.equal(meaningOf(VOCABULARY[b]), VOCABULARY[a])
    assert.deepEqual([languageOfWord(VOCABULARY[b]), languageOfWord(VOCABULARY[a])], ['b', 'a'])
  }
  assert.deepEqual(INITIALIZATION.related_rows.pairs, pairs)
})

test('only base starts from random weights; the others start from a run before them', () => {
  const names = Object.keys(RECIPES)
  names.forEach((name, i) => {
    const config = trainConfig(name, PLACES, 1)
    assert.equal('init' in config, name === 'base')
    if (name !== 'base')
      assert.ok(names.slice(0, i).some((earlier) => config.model === `demo/runs/${earlier}`))
    assert.deepEqual(JSON.parse(JSON.stringify(config)), config, 'a config survives YAML and JSON')
  })
})

test('the CP arms differ in nothing but their start, their format and the rows that the format needs', () => {
  const [plain, instructed] = ['org_cp', 'ins_cp'].map((name) => trainConfig(name, PLACES, 1))
  const differing = Object.keys(plain).filter(
    (key) => JSON.stringify(plain[key]) !== JSON.stringify(instructed[key]),
  )
  assert.deepEqual(differing, ['objective', 'out', 'batch_size'])
})
