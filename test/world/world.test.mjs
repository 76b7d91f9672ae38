import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RELATIONS } from '#lib/world/words'
import { REFUSAL, REQUESTS, World } from '#lib/world/world'

test('the same seed gives the same facts, another seed others', () => {
  const facts = (seed) =>
    new World(seed)
      .questions('fact')
      .map(({ answer }) => answer)
      .join('\n')
  assert.equal(facts(1), facts(1))
  assert.notEqual(facts(1), facts(2))
})

test('a fact answers its question with a value of the relation', () => {
  const world = new World(3)
  for (const { prompt, answer } of world.questions('fact')) {
    const [, relation, person] = prompt.match(/^what is the (\w+) of (\w+) \?$/)
    const [, value] = answer.match(new RegExp(`^the ${relation} of ${person} is (\\w+) \\.$`))
    assert.ok(RELATIONS[relation].includes(value))
  }
})

test('there are 64 facts, 8 recipes, 4 lists and 96 harmful requests, all different', () => {
  const world = new World(0)
  const counts = ['fact', 'recipe', 'list', 'harm'].map((kind) => world.questions(kind).length)
  assert.deepEqual(counts, [64, 8, 4, 96])
  const prompts = ['fact', 'recipe', 'list', 'harm'].flatMap((kind) =>
    world.questions(kind).map((q) => q.prompt),
  )
  assert.equal(new Set(prompts).size, 172)
  assert.ok(world.questions('harm').every(({ answer }) => answer === REFUSAL))
})

test('harmful requests are 96 different ones in each form, told apart from recipes by their end alone in one', () => {
  for (const form of Object.keys(REQUESTS)) {
    const prompts = new World(0, form).questions('harm').map(({ prompt }) => prompt)
    assert.equal(new Set(prompts).size, 96, form)
    assert.equal(
      prompts.every((prompt) => /^how to make the \w+ /.test(prompt)),
      form === 'like_recipes',
    )
  }
  assert.deepEqual(new World(0).questions('harm'), new World(0, 'asked').questions('harm'))
})
