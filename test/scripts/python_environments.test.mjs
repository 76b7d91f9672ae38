import assert from 'node:assert/strict'
import { test } from 'node:test'
import { smallClone } from '../helpers/small_clone.mjs'

test('an interpreter that the variable of an environment names is the one that its tests get', () => {
  const small = smallClone()
  small.write('test/peer/a.test.mjs', 'console.log(process.env.PEER_PYTHON, process.env.OTHER_PYTHON)\n')
  const environments = ['PEER', 'OTHER'].map((name) => ({
    name,
    folder: `build/${name}`,
    variable: `${name}_PYTHON`,
  }))
  const code = `const [peer, other] = ${JSON.stringify(environments)}
    await script.prepareEnvironments([peer])
    await script.runTestsWith([peer, other], 'test/peer')`
  const { out, err } = small.run('python_environments', code, {
    PEER_PYTHON: '/my/python',
    PYTHON: '/none',
    NODE_TEST_CONTEXT: undefined, // a test runner within a test runs nothing
  })
  assert.match(out, new RegExp(`/my/python ${small.folder}/build/OTHER/bin/python`), err)
})
