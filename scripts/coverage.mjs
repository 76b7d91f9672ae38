// npm run coverage: which branches of the native code that reads and saves files the tests take, of those tests that need
// no libtorch (test/plain). Counted are the branches of the source, both ways of each condition, not those that exceptions add;
// a template counts once, whatever it was made for. An extra: it needs clang, the library itself does not.
//   npm run coverage -- --missing    also the places of what no test takes: FILE:LINE:COLUMN true|false
// CLANGXX names the compiler, else clang++ and clang++-16 and later are looked for; llvm-cov and llvm-profdata stand beside it.
import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync, rmSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { buildPlainTests } from './plain_tests.mjs'
import { capture, filesUnder, hand, root, runScript, StepError } from './steps.mjs'

const BUILD = 'build/coverage'
const LEAST = 95
/** What reads or saves files. native/probe/head_file.cpp does too and has no branch. */
const COVERED = [
  /^native\/(checkpoint|convert|text)\//,
  /^native\/audio\/wav/,
  /^native\/clusters\/label_file\./,
  /^native\/merge\/delta\/delta_(file|codec|codecs|dense|low_rank|quantised|top_k)\./,
  /^native\/merge\/stream\/journal\./,
]

await runScript(async () => {
  const { missing } = readOptions()
  const compiler = findClang()
  await buildPlainTests(BUILD, 'coverage', compiler)
  const files = await branches(compiler)
  if (missing) for (const file of files) for (const place of file.missing) process.stdout.write(`${place}\n`)
  return printShares(files)
})

function readOptions() {
  try {
    return parseArgs({ options: { missing: { type: 'boolean' } } }).values
  } catch (error) {
    throw new StepError(error.message, { hint: 'npm run coverage -- [--missing]' })
  }
}

/** A clang++ from 16 on, which knows lambdas that capture the names of a structured binding. */
function findClang() {
  const usual = ['clang++', ...Array.from({ length: 10 }, (_, i) => `clang++-${25 - i}`)]
  const input = 'int main() { int two[2]{}; auto [a, b] = two; return [&] { return a + b; }(); }'
  for (const name of process.env.CLANGXX ? [process.env.CLANGXX] : usual) {
    const flags = ['-std=c++20', '-fprofile-instr-generate', '-fcoverage-mapping', '-x', 'c++', '-']
    if (spawnSync(name, [...flags, '-o', '/dev/null'], { input }).status === 0) return name
  }
  throw new StepError('coverage needs clang 16 or later; the library itself is built without it', {
    hint: 'Debian and Ubuntu: apt-get install clang-19 llvm-19 libclang-rt-19-dev, or name another one in CLANGXX',
  })
}

/** A tool of the compiler's own version. */
function toolOf(compiler, name) {
  const at = spawnSync(compiler, [`-print-prog-name=${name}`], { encoding: 'utf8' }).stdout.trim()
  const beside = join(dirname(realpathSync(at)), name)
  return existsSync(beside) ? beside : at
}

/** Runs the tests; of each covered file its branches, how many were taken, and where the others are. */
async function branches(compiler) {
  const counts = join(root, BUILD, 'counts')
  rmSync(counts, { recursive: true, force: true })
  const program = join(root, BUILD, 'plain_tests')
  const env = { ...process.env, LLVM_PROFILE_FILE: join(counts, '%p.profraw') }
  const code = await hand(program, [], { env })
  if (code !== 0) throw new StepError(`the tests ended with code ${code}: their branches say nothing`)
  const raw = filesUnder(relative(root, counts), (name) => name.endsWith('.profraw'))
  const merged = join(counts, 'all.profdata')
  await capture(toolOf(compiler, 'llvm-profdata'), ['merge', '-sparse', ...raw, '-o', merged])
  const json = await capture(toolOf(compiler, 'llvm-cov'), ['export', program, `-instr-profile=${merged}`])
  return JSON.parse(json)
    .data[0].files.map((file) => ({ ...file, name: relative(root, realpathSync(file.filename)) }))
    .filter(({ name }) => COVERED.some((pattern) => pattern.test(name)))
    .map(({ name, branches }) => waysOf(name, branches))
}

/** Both ways of each condition of a file: [line, column, end line, end column, times true, times false, ...]. */
function waysOf(name, branches) {
  const ways = new Map()
  for (const [line, column, , , whenTrue, whenFalse] of branches)
    for (const [way, times] of Object.entries({ true: whenTrue, false: whenFalse })) {
      const place = `${name}:${line}:${column} ${way}`
      ways.set(place, (ways.get(place) ?? 0) + times)
    }
  const missing = [...ways].filter(([, times]) => times === 0).map(([place]) => place)
  return { name, all: ways.size, taken: ways.size - missing.length, missing }
}

/** A line for each folder: its share, and the file with the lowest. Resolves with 1 where one is below what is asked. */
function printShares(files) {
  const percent = ({ taken, all }) => (100 * taken) / all
  const share = (counted) => `${percent(counted).toFixed(1)} %`
  process.stdout.write('\nbranches taken\n')
  let low = false
  for (const folder of new Set(files.map((file) => dirname(file.name)))) {
    const inside = files.filter((file) => dirname(file.name) === folder && file.all > 0)
    const sum = (key) => inside.reduce((total, file) => total + file[key], 0)
    const whole = { taken: sum('taken'), all: sum('all') }
    const lowest = inside.toSorted((a, b) => percent(a) - percent(b))[0]
    const words = `${whole.taken} of ${whole.all}, lowest ${basename(lowest.name)} ${share(lowest)}`
    process.stdout.write(`${folder.padEnd(22)} ${share(whole).padStart(7)}  ${words}\n`)
    low ||= percent(whole) < LEAST
  }
  return low ? 1 : 0
}
