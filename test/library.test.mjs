// The library as users see it: by require and by import, one instance, lazily loaded.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import * as imported from 'tongueforge'
import { clone } from './helpers/cli.mjs'

const required = createRequire(import.meta.url)('tongueforge')

test('import gives what require gives, name by name', () => {
  const names = Object.keys(required).sort()
  assert.deepEqual(
    Object.keys(imported)
      .filter((name) => name !== 'default' && name !== 'module.exports')
      .sort(),
    names,
  )
  for (const [name, value] of Object.entries(imported)) {
    if (names.includes(name)) assert.equal(value, required[name], name)
  }
  assert.equal(imported.default, required)
})

test('require loads neither libtorch nor the addon', () => {
  const program = `require('tongueforge'); process.stdout.write(require('fs').readFileSync('/proc/self/maps', 'utf8'))`
  const maps = execFileSync(process.execPath, ['-e', program], {
    cwd: clone,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  assert.doesNotMatch(maps, /libtorch|tongueforge\.node/)
})

test('require loads nothing of what only a server needs', () => {
  const program = `require('tongueforge'); console.log(Object.keys(require.cache).join('\\n'))`
  const loaded = execFileSync(process.execPath, ['-e', program], { cwd: clone, encoding: 'utf8' })
  assert.match(loaded, /dist.server.serve\.js/)
  assert.doesNotMatch(loaded, /node_modules.(fastify|@fastify|prom-client|pino|ajv)/)
})

test('the typed picture of the addon names what the addon exports, and nothing else', async () => {
  const { native } = await import('#lib/native')
  const { readFileSync } = await import('node:fs')
  const parts = [
    'audio',
    'clusters',
    'compressing',
    'converting',
    'merging',
    'models',
    'probe',
    'serving',
    'text',
    'training',
  ]
  const source = ['native', ...parts.map((part) => `native/${part}`)]
    .map((name) => readFileSync(new URL(`../lib/${name}.ts`, import.meta.url), 'utf8'))
    .join('\n')
  const body = (name) =>
    source.split(new RegExp(`interface ${name}\\s(?:\\s*extends [\\w,\\s]+ )?\\{`))[1].split(/^}/m)[0]
  const tables = [
    'Native',
    'Audio',
    'Cluster',
    'Compressing',
    'Converting',
    'Merging',
    'Model',
    'Probe',
    'Serving',
    'Text',
    'Training',
  ]
  const jobs = tables
    .map((name) => `${name}Jobs`)
    .flatMap((name) => [...body(name).matchAll(/^ {2}(\w+): \[/gm)])
    .map(([, name]) => name)
  const calls = [...body('NativeCalls').matchAll(/^ {2}(\w+)[(:]/gm)].map(([, name]) => name)
  assert.deepEqual(Object.keys(native()).sort(), [...jobs, ...calls].sort())
})
