// Runs the two kinds of tests and counts, at the end, those that had the real data they want.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { buildFolder } from './native_build.mjs'
import { filesUnder, hand, root, StepError } from './steps.mjs'

/** Tests against installed programs: npm run test:parity, npm run test:mergekit, npm run test:browser. */
const LIVE_PEERS = ['test/parity/', 'test/mergekit/', 'test/browser/']

/** The test files under some folders whose path holds one of the wanted words (all, without words); throws where none does. */
export function testFiles(folders, wanted = []) {
  const files = folders
    .flatMap((folder) => filesUnder(folder, (file) => file.endsWith('.test.mjs')))
    .filter((file) => !LIVE_PEERS.some((folder) => file.startsWith(folder)))
    .filter((file) => wanted.length === 0 || wanted.some((word) => file.includes(word)))
  if (files.length === 0) throw new StepError(`no test file matches ${wanted.join(' ')}`)
  return files
}

/** Runs the native tests of a kind of build; resolves with what failed: '' where nothing did. */
export async function runNativeTests(options = {}) {
  const folder = join(root, buildFolder(options))
  const places = ['', 'Release', 'Debug', 'test/native'].map((place) => join(folder, place, 'native_tests'))
  const program = places.find((place) => existsSync(place))
  if (!program)
    throw new StepError('the native tests are not built', { hint: 'npm run clean, then npm test' })
  process.stdout.write('\nnative tests\n')
  let failures = await failuresOf(program, [])
  // Kernels choose their instructions at run time: those that this machine would not choose are asked for.
  for (const level of ['any', 'avx2']) {
    process.stdout.write(`\nnative tests of kernels, instructions: ${level}\n`)
    const env = { ...process.env, TONGUEFORGE_INSTRUCTIONS: level }
    failures += await failuresOf(program, ['--source-file=*merge*kernel*,*native/kernels/*,*native/nn/*'], {
      env,
    })
  }
  return failures
}

/** Runs a program of tests in view of the reader; resolves with what it says of those that failed. */
async function failuresOf(program, args, options = {}) {
  const heard = []
  const code = await hand(program, args, { ...options, onOutput: (chunk) => heard.push(chunk) })
  if (code === 0) return ''
  const cases = Buffer.concat(heard)
    .toString('utf8')
    .split(/^={3,}$/m)
  const failed = cases.filter((text) => /ERROR|\[doctest\]/.test(text))
  return [...failed, `\n${basename(program)} ${args.join(' ')} ended with code ${code}\n`].join('')
}

/** Runs test files under Node's own runner, then prints how many tests saw real data; resolves with the exit code. */
export async function runNodeTests(files, variables = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tongueforge-test-'))
  const log = join(folder, 'real-data.log')
  writeFileSync(log, '')
  try {
    process.stdout.write('\nJavaScript tests\n')
    const places = { TONGUEFORGE_REAL_DATA_LOG: log, TONGUEFORGE_DATA_CACHE: join(folder, 'data-cache') }
    const env = { ...process.env, ...variables, ...places }
    // A file a core: Node leaves one free, which on two cores is every second one, and a test often waits for a process.
    const options = ['--test', '--test-reporter=spec', `--test-concurrency=${availableParallelism()}`]
    const code = await hand(process.execPath, [...options, ...files], { env })
    const lines = readFileSync(log, 'utf8').split('\n')
    const count = (word) => lines.filter((line) => line === word).length
    process.stdout.write(`\nreal data: ${count('ran')} ran, ${count('skipped')} skipped\n`)
    return code
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
