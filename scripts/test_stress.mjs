// npm run test:stress: the tests of test/stress at their full number of rounds (npm test runs a tenth of them or less), and
// the hostile inputs with the costs that are promised; then the native tests with sanitizers (test_sanitizers.mjs).
// Arguments choose test files by a part of their path; then the sanitizers are left out.
// One file after the other: some of them measure times.
import { runNodeTests, testFiles } from './run_tests.mjs'
import { setUp } from './setup.mjs'
import { runScript } from './steps.mjs'
import { testWithSanitizers } from './test_sanitizers.mjs'

await runScript(async () => {
  await setUp()
  const words = process.argv.slice(2)
  let failed = 0
  for (const file of testFiles(['test/stress', 'test/hostile'], words)) {
    const code = await runNodeTests([file], { TONGUEFORGE_STRESS: 'full' })
    failed = failed || code
  }
  if (words.length === 0) failed = (await testWithSanitizers()) || failed
  return failed
})
