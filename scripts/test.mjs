// npm test: set-up, the native tests, the JavaScript tests with a quick share of the stress tests. Arguments after
// `--` choose test files by a part of their path (`npm test -- packing`); then the native tests are left out.
import { runNativeTests, runNodeTests, testFiles } from './run_tests.mjs'
import { setUp } from './setup.mjs'
import { runScript } from './steps.mjs'

await runScript(async () => {
  await setUp()
  const wanted = process.argv.slice(2)
  const files = testFiles(['test'], wanted)
  const failures = wanted.length > 0 ? '' : await runNativeTests()
  const node = await runNodeTests(files, { TONGUEFORGE_STRESS: 'quick' })
  if (failures === '') return node
  process.stdout.write(`\nnative tests that failed, again\n${failures}`)
  return 1
})
