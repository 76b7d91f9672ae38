// npm run test:stress: the tests of test/stress at their full number of rounds (npm test runs a tenth of them or less).
import { runNodeTests, testFiles } from './run_tests.mjs'
import { setUp } from './setup.mjs'
import { runScript } from './steps.mjs'

await runScript(async () => {
  await setUp()
  return runNodeTests(testFiles(['test/stress'], process.argv.slice(2)), { TONGUEFORGE_STRESS: 'full' })
})
