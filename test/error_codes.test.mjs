// Every code that a user may meet is asked for by name somewhere in the tests: error codes, codes of HTTP, exit codes.
// TONGUEFORGE_SHOW_CODES=1 prints where. Codes that no test of a verb can bring about stand at the end, each with a test.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { clone } from './helpers/cli.mjs'
import { temporaryFolder } from './helpers/folders.mjs'
import { INIT, tinyConfig, writeTinyModel } from './helpers/tiny_model.mjs'

const read = (file) => readFileSync(join(clone, file), 'utf8')

/** Lines of tests in a folder: `{ place, text }`. */
function testLines(folder, pattern) {
  return readdirSync(join(clone, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(clone.length + 1))
    .sort()
    .flatMap((file) =>
      read(file)
        .split('\n')
        .map((text, i) => ({ place: `${file}:${i + 1}`, text }))
        .filter(({ text }) => !SAYS_ONLY.test(text)),
    )
}

/** The name of a test, or a comment: words that compare nothing. */
const SAYS_ONLY = /^\s*(test|describe|TEST_CASE|SUBCASE)\b|^\s*(\/\/|\*)/

const LINES = testLines('test', /(\.test\.mjs|_test\.cpp)$/)
/** What compares: `code: X`, `.code, X`, `code() == X`, `starts_with(X`, a list or table of expected codes, a pattern. */
const COMPARES = [
  (code) => new RegExp(`code: ['"]${code}['"]`),
  (code) => new RegExp(`\\bcode(\\(\\))?(, | ===? |\\) == )['"]${code}['"]`),
  (code) => new RegExp(`(assert|CHECK|REQUIRE|refus|fail|reject|throws|match|equal).*\\b${code}\\b`),
  (code) => new RegExp(`['"\`]${code}['"\`:]`),
]

function places(code, lines = LINES) {
  return COMPARES.map((compares) => lines.filter(({ text }) => compares(code).test(text)))
    .find((found) => found.length > 0)
    ?.map(({ place }) => place)
}

/** Asserts that each code is compared somewhere; shows where. */
function held(t, codes, lines) {
  const found = codes.map((code) => [code, places(code, lines)])
  if (process.env.TONGUEFORGE_SHOW_CODES)
    for (const [code, at] of found) t.diagnostic(`${code}: ${at?.length ?? 0}: ${at?.slice(0, 3).join(', ')}`)
  assert.deepEqual(
    found.filter(([, at]) => at === undefined).map(([code]) => code),
    [],
  )
}

test('every error code is asked for by a test', (t) => {
  const codes = [...read('docs/errors.md').matchAll(/^\| `(ERR_[A-Z_]+)`/gm)].map(([, code]) => code)
  assert.ok(codes.length > 40)
  held(t, codes)
  assert.equal(places(['ERR', 'OF', 'NOBODY'].join('_')), undefined)
})

test('every code that the server answers is on its page, and asked for by a test', (t) => {
  const sources = readdirSync(join(clone, 'lib/server'), { recursive: true }).filter((name) =>
    /\.ts$/.test(name),
  )
  const codes = sources.flatMap((name) =>
    [...read(join('lib/server', name)).matchAll(/code: '([a-z_]+)'/g)].map(([, code]) => code),
  )
  const gone = 'client_closed_request' // nobody is there to read it
  const answered = [...new Set(codes)].filter((code) => code !== gone).sort()
  assert.ok(answered.length > 10)
  const page = read('docs/serve.md')
  for (const code of answered) assert.ok(page.includes(`\`${code}\``), code)
  const [, table] = page.match(/\n## Errors\n([\s\S]*?)\n## /)
  const told = [...table.matchAll(/^\| \d{3} \| (.*?) \|/gm)].flatMap(
    ([, cell]) => cell.match(/(?<=`)[a-z_]+(?=`)/g) ?? [],
  )
  const all = [...new Set([...answered, ...told])].sort()
  held(t, all, [...testLines('test/server', /\.test\.mjs$/), ...testLines('test/cli', /^serve\.test\.mjs$/)])
})

test('exit codes are those of the page, and each is asked for by a test of the command', (t) => {
  const [, listed] = read('docs/errors.md').match(/^Exit codes: ([\s\S]*?)\.\n/m)
  const documented = [...listed.matchAll(/(?:^|; )(\d+) /g)].map(([, code]) => Number(code))
  const [, table] = read('lib/cli/main.ts').match(/const EXIT = \{(.*?)\}/)
  assert.deepEqual(
    documented,
    [...table.matchAll(/: (\d+)/g)].map(([, code]) => Number(code)),
  )
  const lines = [
    ...testLines('test/cli', /\.test\.mjs$/),
    ...testLines('test/distributed', /\.test\.mjs$/),
    ...testLines('test/verbs', /\.test\.mjs$/),
  ]
  for (const code of documented) {
    const found = lines.filter(({ text }) => new RegExp(`\\bcode\\)?(, |: )${code}\\b`).test(text))
    t.diagnostic(`exit code ${code}: ${found.length} tests, ${found[0]?.place}`)
    assert.ok(found.length > 0, `exit code ${code}`)
  }
})

/** How the job ends that must not end well. */
const failure = (promise) =>
  promise.then(
    () => assert.fail('expected a failure'),
    (error) => error,
  )

const huge = (vocab_size, hidden_size) => ({
  spec: { ...decoderSpec(tinyConfig()), vocab_size, hidden_size },
  init: { ...INIT, seed: 1 },
  threads: 1,
})

test('ERR_TORCH: what libtorch does not take, in its words', async () => {
  const error = await failure(runJob('initialiseModel', huge(2 ** 40, 2 ** 30)))
  assert.equal(error.code, 'ERR_TORCH')
  assert.match(
    error.message,
    /^Storage size calculation overflowed with sizes=\[1099511627776, 1073741824\]$/,
  )
})

test('ERR_OUT_OF_MEMORY: what the memory of the CPU cannot hold, with the bytes and what to do', async () => {
  const error = await failure(runJob('initialiseModel', huge(2 ** 31, 2 ** 15)))
  assert.equal(error.code, 'ERR_OUT_OF_MEMORY')
  assert.match(
    error.message,
    /^Out of memory: can't allocate memory: you tried to allocate 281474976710656 bytes/,
  )
  assert.match(error.hint, /smaller/)
  const model = await runJob('initialiseModel', huge(tinyConfig().vocab_size, tinyConfig().hidden_size))
  const { shape } = await runJob('logits', { model, rows: [Int32Array.of(1, 2)], threads: 1 })
  assert.deepEqual(shape, [1, 2, tinyConfig().vocab_size], 'the process goes on')
  native().dispose(model)
})

test('ERR_CALLBACK: a listener of the native job that throws, where no library stands between', async () => {
  const folder = await writeTinyModel(join(temporaryFolder(), 'model'))
  const options = { folder, spec: decoderSpec(tinyConfig()), dtype: 'float32', threads: 1 }
  let calls = 0
  const { promise } = native().loadModel(options, () => {
    calls++
    throw new Error('the listener')
  })
  const error = await failure(promise)
  assert.equal(error.code, 'ERR_CALLBACK')
  assert.equal(error.message, 'The progress listener threw')
  assert.match(error.hint, /onProgress/)
  assert.equal(calls, 1, 'a job without a reader tells no more')
})
