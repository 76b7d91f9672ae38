// The types of the library: complete, and as test/types/ says.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { apiReference, isInstalled, PAGE } from '../scripts/api_reference.mjs'
import { clone } from './helpers/cli.mjs'

const compiler = join(clone, 'node_modules/typescript/bin/tsc')
const isThere = existsSync(join(clone, 'node_modules/expect-type'))

test('programs against the types compile, by import and by require', {
  skip: !isThere && 'npm ci installs expect-type',
}, () => {
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', join(clone, 'test/types')], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stdout)
})

test('every name that the library exports stands on its page', () => {
  const page = readFileSync(join(clone, PAGE), 'utf8')
  const told = [...page.matchAll(/^### (\w+)(\(\))?$/gm)].map(([, name]) => name)
  const source = readFileSync(join(clone, 'lib/index.ts'), 'utf8')
  const lists = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) => list.split(','))
  const exported = lists.map((part) => part.trim().split(/\s+/).at(-1)).filter(Boolean)
  assert.deepEqual(told.sort(), exported.sort())
})

test(
  'the page of the API is that of the types and docstrings (node scripts/api_reference.mjs rewrites it)',
  { skip: !isInstalled() && 'npm ci installs TypeDoc' },
  async () => assert.equal(await apiReference(), readFileSync(join(clone, PAGE), 'utf8')),
)
