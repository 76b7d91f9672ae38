import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { VERBS } from '#lib/cli/verbs'
import { anchorsOf, pages, refreshed } from '../../scripts/docs.mjs'
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

test('files that the pages name are there', () => {
  const folders = 'bench|cmake|docs|examples|lib|native|prebuilds|recipes|scripts|test|typedoc'
  for (const page of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...pages()])
    for (const [, path] of read(page).matchAll(new RegExp(`\`((?:${folders})/[\\w./-]+)\``, 'g')))
      assert.ok(/[A-Z]{4}/.test(path) || existsSync(join(root, path)), `${page}: ${path}`)
})

test('links between the pages lead somewhere, to a heading where they name one', () => {
  const all = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...pages()]
  const headings = (page) => new Set(anchorsOf(read(page)).map(([, anchor]) => anchor))
  const anchors = new Map(all.map((page) => [page, headings(page)]))
  for (const page of all) {
    for (const [, target, anchor] of read(page).matchAll(/\]\(([^)#: ]*)(?:#([^)]*))?\)/g)) {
      const place = target === '' ? page : join(dirname(page), target)
      assert.ok(existsSync(join(root, place)), `${page}: ${target}`)
      if (anchor === undefined || !place.endsWith('.md')) continue
      if (!anchors.has(place)) anchors.set(place, headings(place))
      assert.ok(anchors.get(place).has(anchor), `${page}: ${target}#${anchor}`)
    }
  }
})
