// Conformance with mergekit, live: sets up the project and mergekit in an environment of its own in build/, once, then
// runs test/mergekit. Variables: python_environments.mjs.
// Arguments go to the test runner: npm run test:mergekit -- --test-name-pattern ties
import { prepareEnvironments, runTestsWith } from './python_environments.mjs'
import { setUp } from './setup.mjs'
import { runScript } from './steps.mjs'

const ENVIRONMENTS = [
  {
    name: 'mergekit',
    folder: 'build/mergekit-env',
    requirements: ['test/mergekit/requirements.txt'],
    variable: 'TONGUEFORGE_MERGEKIT_PYTHON',
  },
]

await runScript(async () => {
  await setUp()
  await prepareEnvironments(ENVIRONMENTS)
  return runTestsWith(ENVIRONMENTS, 'test/mergekit', process.argv.slice(2))
})
