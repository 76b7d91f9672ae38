// npm run test:sanitizers: the native tests with AddressSanitizer, which finds leaks too, and UndefinedBehaviorSanitizer, built
// as far as they are not. What is asked of the sanitizers stands in test/native/sanitizers.cpp.
//   npm run test:sanitizers -- -sf="*text*"    doctest's own options choose tests
//   npm run test:sanitizers -- --thread        ThreadSanitizer instead, of what knows no libtorch (test/plain)
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { buildFolder } from './native_build.mjs'
import { buildPlainTests } from './plain_tests.mjs'
import { setUp } from './setup.mjs'
import { hand, isMain, root, runScript, StepError } from './steps.mjs'

const BUILD = { sanitize: 'address,undefined' }

/** What must be reported before silence says anything: `--break` of the program, words of the report. */
const FOUND = {
  'past-end': 'heap-buffer-overflow',
  leak: 'detected memory leaks',
  overflow: 'signed integer overflow',
}

const THREADS = 'build/thread'
/**
 * What ThreadSanitizer cannot run: a limit on address space (it needs terabytes), and call_once left by an exception, after
 * which its own pthread_once waits for ever.
 */
const NOT_UNDER_THREAD = ['-sfe=*core/value_test*', '-tce=a value that is no number*']

/** Throws unless each of these, broken on purpose, is reported. `before`: what the program is started by. */
export function expectReports(found, program, before = []) {
  for (const [name, words] of Object.entries(found)) {
    const [command, ...args] = [...before, program, '--break', name]
    const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
    if (error) throw new StepError(`${command} could not be started: ${error.message}`)
    if (status !== 0 && stderr.includes(words)) continue
    const what = `${program} --break ${name}: expected a report of "${words}", it ended with ${status}`
    throw new StepError(what, { output: stderr })
  }
}

/** Builds and runs them; resolves with the exit code. */
export async function testWithSanitizers(args = []) {
  await setUp(BUILD)
  const program = join(root, buildFolder(BUILD), 'native_tests')
  expectReports(FOUND, program)
  return hand(program, args)
}

/** The same with ThreadSanitizer, which wants memory where a kernel with much randomness does not put it: setarch -R. */
async function testThreads(args) {
  await buildPlainTests(THREADS, 'thread')
  const program = join(root, THREADS, 'plain_tests')
  expectReports({ race: 'data race' }, program, ['setarch', '-R'])
  const env = { ...process.env, OMP_NUM_THREADS: '1' } // libtorch's threads are not built with it
  return hand('setarch', ['-R', program, ...NOT_UNDER_THREAD, ...args], { env })
}

if (isMain(import.meta))
  await runScript(() => {
    const args = process.argv.slice(2)
    const threads = args.includes('--thread')
    return threads ? testThreads(args.filter((arg) => arg !== '--thread')) : testWithSanitizers(args)
  })
