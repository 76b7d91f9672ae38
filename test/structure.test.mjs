// The floors of the house: an include or import goes down, never up, nor across between verbs of the native side.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { clone } from './helpers/cli.mjs'

function files(folder, pattern) {
  return readdirSync(join(clone, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(clone.length + 1))
}

test('native: each folder includes its own files and those of the floors below', () => {
  const below = {
    core: [],
    checkpoint: ['core'],
    kernels: ['core'],
    nn: ['kernels', 'core'],
    models: ['nn', 'kernels', 'checkpoint', 'core'],
    generate: ['models', 'nn', 'kernels', 'core'],
    serve: ['generate', 'models', 'nn', 'kernels', 'core'],
    encode: ['models', 'nn', 'kernels', 'core'],
    score: ['models', 'nn', 'kernels', 'core'],
    distributed: ['kernels', 'core'],
    train: ['distributed', 'models', 'nn', 'kernels', 'checkpoint', 'core'],
    compress: ['models', 'nn', 'kernels', 'core'],
    merge: ['checkpoint', 'core'],
    convert: ['checkpoint', 'core'],
    live: ['models', 'nn', 'kernels', 'merge', 'checkpoint', 'core'],
    text: ['checkpoint', 'core'],
    audio: ['checkpoint', 'kernels', 'core'],
    clusters: ['checkpoint', 'kernels', 'core'],
    probe: ['checkpoint', 'kernels', 'core'],
  }
  for (const file of files('native', /\.(h|cpp|cu|cuh)$/)) {
    const folder = file.split('/')[1]
    if (folder === 'binding') continue // the top floor includes everything
    assert.ok(below[folder], `${folder} has a floor`)
    for (const [, included] of readFileSync(join(clone, file), 'utf8').matchAll(/^#include "(.*)"/gm)) {
      const allowed = [folder, ...below[folder]].some(
        (part) => included === part || included.startsWith(`${part}/`),
      )
      assert.ok(allowed, `${file} includes ${included}`)
    }
  }
})

test('native: merge, convert, text, checkpoint and core see no libtorch', () => {
  for (const folder of ['core', 'checkpoint', 'merge', 'convert', 'text']) {
    for (const file of files(join('native', folder), /\.(h|cpp)$/))
      assert.doesNotMatch(readFileSync(join(clone, file), 'utf8'), /#include <(ATen|torch|c10)/, file)
  }
})

test('native: CUDA kernels see the CUDA runtime and our plain headers, no libtorch', () => {
  const plain = files('native', /\.(cu|cuh)$|_cuda\.h$/)
  assert.ok(plain.length > 0)
  for (const file of plain)
    assert.doesNotMatch(
      readFileSync(join(clone, file), 'utf8'),
      /#include (<(ATen|torch|c10)|"kernels\/(aten|cuda\/glue)\.h)/,
      file,
    )
})

test('lib: an import goes down', () => {
  // From the top; files of one line may import each other.
  const floors = [
    ['cli'],
    ['index'],
    ['server'],
    ['verbs'],
    ['report', 'world', 'tasks'],
    ['text', 'audio', 'counting', 'checkpoint', 'config', 'distributed'],
    ['native'],
  ]
  const bottom = [
    'libtorch',
    'addon',
    'setup',
    'libtorch_folders',
    'version',
    'errors',
    'abort',
    'files',
    'writes',
    'work_paths',
  ]
  const floorOf = (path) => {
    const part = path.split('/')[1].replace(/\.ts$/, '')
    const floor = floors.findIndex((names) => names.includes(part))
    if (floor < 0) assert.ok(bottom.includes(part), `lib/${part} has a floor`)
    return floor < 0 ? floors.length : floor
  }
  for (const file of files('lib', /\.ts$/)) {
    for (const [, imported] of readFileSync(join(clone, file), 'utf8').matchAll(
      /(?:from|import\(|require\() ?'(\.[^']*)'/g,
    )) {
      const target = normalize(join(dirname(file), imported))
      assert.ok(floorOf(target) >= floorOf(file), `${file} imports ${target}`)
    }
  }
})

test('no file tells of the machine it was written on', () => {
  const told = /(^|[^a-zA-Z0-9_.])\/(root|home|opt|work)\/[a-z.]/
  for (const folder of [
    'native',
    'lib',
    'test',
    'scripts',
    'docs',
    'bench',
    'examples',
    'recipes',
    'cmake',
  ]) {
    for (const file of files(folder, /\.(h|cpp|cu|cuh|ts|mjs|cjs|md|py|yaml|json|cmake|in)$/)) {
      if (file === 'test/structure.test.mjs') continue
      assert.doesNotMatch(readFileSync(join(clone, file), 'utf8'), told, file)
    }
  }
})
