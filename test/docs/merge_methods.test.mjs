// docs/merge_methods.md has a section for every row of the registry, and none besides.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { clone } from '../helpers/cli.mjs'

const read = (path) => readFileSync(join(clone, path), 'utf8')

test('every merge method has its section', () => {
  const rows = [...read('native/merge/methods/registry.cpp').matchAll(/^ {4}\{"(\w+)", \w+.*BaseRule/gm)].map(
    ([, name]) => name,
  )
  const headings = [...read('docs/merge_methods.md').matchAll(/^## (.*)$/gm)]
    .map(([, heading]) => heading)
    .filter((heading) => /^[a-z]/.test(heading))
    .flatMap((heading) => heading.split(', '))
  assert.equal(rows.length, 20)
  assert.deepEqual(headings.toSorted(), rows.toSorted())
})
