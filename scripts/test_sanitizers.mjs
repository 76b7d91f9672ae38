// npm run test:sanitizers: the native tests with AddressSanitizer, which finds leaks too, and UndefinedBehaviorSanitizer, built
// as far as they are not. What is asked of the sanitizers stands in test/native/sanitizers.cpp.
//   npm run test:sanitizers -- -sf="*text*"    doctest's own options choose tests
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { buildFolder } from './native_build.mjs'
import { setUp } from './setup.mjs'
import { hand, isMain, root, runScript, StepError } from './steps.mjs'

const BUILD = { sanitize: 'address,undefined' }

/** What must be reported before silence says anything: `--break` of the program, words of the report. */
const FOUND = {
  'past-end': 'heap-buffer-overflow',
  leak: 'detected memory leaks',
  overflow: 'signed integer overflow',
}

/** Builds and runs them; resolves with the exit code. */
export async function testWithSanitizers(args = []) {
  await setUp(BUILD)
  const program = join(root, buildFolder(BUILD), 'native_tests')
  for (const [name, words] of Object.entries(FOUND)) {
    const { status, stderr } = spawnSync(program, ['--break', name], { encoding: 'utf8' })
    if (status !== 0 && stderr.includes(words)) continue
    const what = `${program} --break ${name}: expected a report of "${words}", it ended with ${status}`
    throw new StepError(what, { output: stderr })
  }
  return hand(program, args)
}

if (isMain(import.meta)) await runScript(() => testWithSanitizers(process.argv.slice(2)))
