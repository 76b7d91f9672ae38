// npm run test:stress: the tests of test/stress at their full number of rounds (npm test runs a tenth of them or less), and
// the hostile inputs with the costs that are promised.
// One file after the other: some of them measure times.
import { runNodeTests, testFiles } from './run_tests.mjs'
import { setUp } from './setup.mjs'
import { runScript } from './steps.mjs'

await runScript(async () => {
  await setUp()
  let failed = 0
  for (const file of testFiles(['test/stress', 'test/hostile'], process.argv.slice(2))) {
    const code = await runNodeTests([file], { TONGUEFORGE_STRESS: 'full' })
    failed = failed || code
  }
  return failed
})
