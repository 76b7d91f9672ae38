// The demo as a config of adapt.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAdaptConfig } from '#lib/verbs/adapting/config'
import { planStages } from '#lib/verbs/adapting/plan'
import { adaptConfig } from '#lib/world/adaptation'
import { trainConfig } from '#lib/world/recipe'

const PLACES = { world: 'demo/world', runs: 'demo/runs', models: 'demo', out: 'demo/adapted' }
const TASKS = ['answers_a.yaml', 'answers_b.yaml']

test('its trainings are those of the recipe, which the experiment in PyTorch repeats', async () => {
  const read = { ...(await readAdaptConfig(adaptConfig(PLACES, TASKS, 3), [])), needsTags: false }
  const { stages } = planStages(read, TASKS)
  const keysOf = ({ model: _, out: __, data: ___, ...keys }) => keys
  for (const [stage, run] of Object.entries({
    'chat-cp': 'org_cp',
    'chat-inscp': 'ins_cp',
    'base-cp': 'cp',
  })) {
    const { keys, models } = stages.find(({ name }) => name === stage)
    const recipe = trainConfig(run, PLACES, 3)
    for (const [key, value] of Object.entries(keysOf(recipe)))
      assert.deepEqual(keys[key], value, `${run}: ${key}`)
    assert.equal(keys.data[0].path, recipe.data[0].path)
    assert.deepEqual(models.model, { folder: recipe.model.replace('/runs', '') })
  }
  assert.equal(
    stages.filter(({ verb }) => verb === 'train').length,
    3,
    'one CP of the base serves all scales',
  )
})
