import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { VERBS } from '#lib/cli/verbs'
import { pages, refreshed } from '../../scripts/docs.mjs'
import { filesUnder, root } from '../../scripts/steps.mjs'

const read = (file) => readFileSync(join(root, file), 'utf8')

test('the tables of options and keys are those of the code (node scripts/docs.mjs rewrites them)', () => {
  for (const page of pages()) assert.equal(refreshed(read(page)), read(page), page)
})

test('every command has a page, and its examples stand there', () => {
  for (const { name, examples } of VERBS) {
    const page = read(`docs/${name}.md`)
    assert.ok(page.includes(`npx tongueforge ${examples[0]}`) || page.includes(`npm run ${name}`), name)
  }
})

test('every error code of the code has a row on the page of errors, and no other has', () => {
  const sources = [...filesUnder('lib'), ...filesUnder('native')].filter((file) =>
    /\.(ts|cpp|h|cu|cuh)$/.test(file),
  )
  const used = new Set(sources.flatMap((file) => read(file).match(/(?<=['"])ERR_[A-Z_]+(?=['"])/g) ?? []))
  const listed = [...read('docs/errors.md').matchAll(/^\| `(ERR_[A-Z_]+)`/gm)].map((match) => match[1])
  assert.deepEqual(listed, [...used].sort())
})

test('links between the pages lead somewhere', () => {
  for (const page of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...pages()]) {
    for (const [, target] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(root, dirname(page), target)), `${page}: ${target}`)
    }
  }
})
