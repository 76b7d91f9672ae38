// npm run fuzz: the parsers of files that come from anywhere, under libFuzzer with AddressSanitizer and
// UndefinedBehaviorSanitizer. An extra: it needs clang with its sanitizers, the library itself does not.
//   npm run fuzz -- --runs 1000000                     every target, so many inputs each (else 100,000), one a core
//   npm run fuzz -- --seconds 600                      every target, so long each
//   npm run fuzz -- --target pickle --seed 7           one target; the seed repeats a run
//   npm run fuzz -- --target pickle --keep             goes on from what earlier runs found, in build/fuzz/corpus
//   npm run fuzz -- --minimise                         makes test/fuzz/corpus anew: seeds, what was found, merged
// CLANGXX names the compiler, else clang++ and clang++-14 and later are looked for.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  capture,
  compile,
  compilerJobs,
  filesUnder,
  isMain,
  makeFolders,
  root,
  runScript,
  StepError,
  seconds,
  step,
} from './steps.mjs'

const SOURCES = 'test/fuzz'
const BUILD = 'build/fuzz'
const CRASHES = `${BUILD}/crashes`
const DEFAULT_SEED = 20261126
const DEFAULT_RUNS = 100_000
/** One input that takes longer is a hang; one that holds more in a piece, or a process that grows so, a failure. */
const LIMITS = ['-timeout=10', '-rss_limit_mb=2048', '-malloc_limit_mb=128', '-max_len=8192']
/**
 * AddressSanitizer at twice the speed: frames that outlive their function are looked for no more (every throw swept
 * all of them), and an allocation remembers two of its callers. A finding that is shown again has all of them.
 */
const FAST = 'detect_stack_use_after_return=0:malloc_context_size=2'
/** What is committed of a target's corpus is at most so large; inputs that are longer stay where they were found. */
const MOST_CORPUS_BYTES = 24_000
const LONGEST_SEED = 8192
const SEEDS = 40

/** The names of all targets. */
export function targets() {
  return filesUnder(`${SOURCES}/targets`, (file) => file.endsWith('.cpp')).map((file) =>
    file.slice(file.lastIndexOf('/') + 1, -'.cpp'.length),
  )
}

function readOptions() {
  const text = { type: 'string' }
  const flag = { type: 'boolean' }
  const hint = `npm run fuzz -- [--runs N] [--seconds N] [--target NAME] [--seed S] [--keep] [--minimise]; targets: ${targets().join(', ')}`
  try {
    const { values } = parseArgs({
      options: { runs: text, seconds: text, target: text, seed: text, keep: flag, minimise: flag },
    })
    const whole = (name, least) => {
      if (values[name] === undefined) return undefined
      const number = Number(values[name])
      if (Number.isSafeInteger(number) && number >= least) return number
      throw new Error(`--${name}: expected a whole number from ${least} on, received ${values[name]}`)
    }
    if (values.target !== undefined && !targets().includes(values.target))
      throw new Error(`--target: expected one of ${targets().join(', ')}, received ${values.target}`)
    const time = whole('seconds', 1)
    const runs = whole('runs', 1) ?? (time ? -1 : DEFAULT_RUNS)
    return { ...values, runs, time, seed: whole('seed', 1) ?? DEFAULT_SEED }
  } catch (error) {
    throw new StepError(error.message, { hint })
  }
}

/** A clang++ that links libFuzzer, or a failure that says what is missing. */
function findClang() {
  const usual = ['clang++', ...Array.from({ length: 12 }, (_, i) => `clang++-${25 - i}`)]
  const names = process.env.CLANGXX ? [process.env.CLANGXX] : usual
  const tried = []
  for (const name of names) {
    const flags = ['-fsanitize=fuzzer,address,undefined', '-x', 'c++', '-', '-o', '/dev/null']
    const input = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'
    const built = spawnSync(name, flags, { input, encoding: 'utf8' })
    if (built.status === 0) return name
    if (!built.error) tried.push(`${name}: ${built.stderr.trim().split('\n').at(-1)}`)
  }
  throw new StepError(
    'fuzzing needs clang with libFuzzer and the sanitizers; the library itself is built without it',
    {
      hint: 'Debian and Ubuntu: apt-get install clang-14 libclang-rt-14-dev, or name another one in CLANGXX',
      output: tried.join('\n'),
    },
  )
}

async function build() {
  const compiler = findClang()
  makeFolders(join(root, BUILD))
  await step('build', {
    doing: `${compiler}, into ${BUILD}`,
    run: async (report) => {
      await capture('cmake', ['-S', SOURCES, '-B', BUILD, `-DCMAKE_CXX_COMPILER=${compiler}`], {
        failure: 'CMake could not configure the fuzz targets',
        hint: 'install cmake, or remove build/fuzz and try again',
      })
      await compile(BUILD, { failure: 'the fuzz targets could not be built', report })
    },
  })
}

/** A program of test/fuzz without libFuzzer, by any compiler; resolves with its path. */
export async function buildProgram(name) {
  const folder = join(root, BUILD, 'plain')
  makeFolders(folder)
  await step(name, {
    doing: `into ${BUILD}/plain`,
    run: async () => {
      await capture('cmake', ['-S', SOURCES, '-B', folder, '-DFUZZ_ENGINE=OFF'], {
        failure: `CMake could not configure ${name}`,
      })
      const args = ['--build', folder, '--target', name, '--parallel', String(compilerJobs())]
      await capture('cmake', args, { failure: `${name} could not be built` })
    },
  })
  return join(folder, name)
}

const PROGRAM = `${BUILD}/fuzz`
const corpus = (target) => join(SOURCES, 'corpus', target)
const found = (target) => join(BUILD, 'corpus', target)
const folderFor = (path) => makeFolders(join(root, path))

/** What libFuzzer reports of a run: its last line of status, and speed over the whole of it. */
function figuresOf(output, started) {
  const last = [...output.matchAll(/^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)/gm)].at(-1)
  if (!last) return { runs: 0, text: 'nothing ran' }
  const [, runs, cov, features, inputs] = last.map(Number)
  const ms = performance.now() - started
  const speed = Math.round((1000 * runs) / ms)
  return {
    runs,
    text: `${runs} runs in ${seconds(ms)}, ${speed} a second, coverage ${cov}, features ${features}, ${inputs} inputs`,
  }
}

/** Runs one target; resolves with whether it held. */
async function fuzz(target, { runs, time, seed, keep }) {
  if (!keep) rmSync(join(root, found(target)), { recursive: true, force: true })
  for (const folder of [found(target), corpus(target), CRASHES]) folderFor(folder)
  const dictionary = join(SOURCES, 'dictionaries', `${target}.dict`)
  const args = [
    `--target=${target}`,
    ...LIMITS,
    `-runs=${runs}`,
    `-seed=${seed}`,
    ...(time ? [`-max_total_time=${time}`] : []),
    `-artifact_prefix=${CRASHES}/${target}-`,
    ...(existsSync(join(root, dictionary)) ? [`-dict=${dictionary}`] : []),
    found(target),
    corpus(target),
  ]
  const started = performance.now()
  const env = { ASAN_OPTIONS: FAST, ...process.env }
  const failed = await capture(join(root, PROGRAM), args, { env }).then(
    (output) => ({ output }),
    (error) => ({ output: error.output ?? error.message, error }),
  )
  const figures = figuresOf(failed.output, started)
  const ended = failed.error ? 'FAILED' : 'held'
  process.stdout.write(`${target.padEnd(20)} ${ended}: ${figures.text}, seed ${seed}\n`)
  if (failed.error) tellFailure(target, failed.output)
  return !failed.error
}

/** The finding, the input and how to see it again. */
function tellFailure(target, output) {
  const begin = output.search(/^(==\d+==|.*runtime error:|terminate called|.*bytes were held)/m)
  process.stdout.write(`${output.slice(Math.max(begin, 0)).split('\n').slice(0, 40).join('\n')}\n`)
  const input = /Test unit written to (\S+)/.exec(output)?.[1]
  if (!input) return
  process.stdout.write(
    `\nthe input: ${input}\n` +
      `  to see it again:    ${PROGRAM} --target=${target} ${input}\n` +
      `  to make it smaller: ${PROGRAM} --target=${target} -minimize_crash=1 -runs=100000 ${input}\n` +
      `  once it is mended:  cp ${input} ${corpus(target)}/crash-WHAT-IT-WAS; npm test holds it from then on\n\n`,
  )
}

/** The committed corpus of a target: what is there by name stays, the rest is the least that covers the same. */
async function minimise(target, seed) {
  const [seeds, merged] = ['seeds', 'merged'].map((name) => join(BUILD, name, target))
  for (const folder of [seeds, merged]) rmSync(join(root, folder), { recursive: true, force: true })
  for (const folder of [seeds, merged, corpus(target), found(target)]) folderFor(folder)
  await capture(join(root, BUILD, 'make_seeds'), [target, seeds, String(SEEDS), String(seed)])
  const folders = [merged, corpus(target), seeds, found(target)]
  await capture(
    join(root, PROGRAM),
    [`--target=${target}`, '-merge=1', ...LIMITS, `-max_len=${LONGEST_SEED}`, ...folders],
    {
      failure: `the corpus of ${target} could not be merged`,
    },
  )
  const names = (folder) => readdirSync(join(root, folder))
  for (const name of names(corpus(target)).filter((name) => /^[0-9a-f]{40}$/.test(name)))
    rmSync(join(root, corpus(target), name))
  let bytes = 0
  const size = (name) => statSync(join(root, merged, name)).size
  for (const name of names(merged).sort((left, right) => size(left) - size(right))) {
    bytes += size(name)
    if (bytes > MOST_CORPUS_BYTES) break
    await capture('cp', [join(merged, name), join(corpus(target), name)])
  }
  const kept = names(corpus(target)).length
  process.stdout.write(`${target.padEnd(20)} ${kept} inputs of ${names(merged).length}\n`)
}

if (isMain(import.meta)) {
  await runScript(async () => {
    const options = readOptions()
    await build()
    const wanted = options.target ? [options.target] : targets()
    if (options.minimise) {
      for (const target of wanted) await minimise(target, options.seed)
      return 0
    }
    let held = true
    const waiting = wanted.values()
    const worker = async () => {
      for (const target of waiting) held = (await fuzz(target, options)) && held
    }
    await Promise.all(Array.from({ length: availableParallelism() }, worker))
    return held ? 0 : 1
  })
}
