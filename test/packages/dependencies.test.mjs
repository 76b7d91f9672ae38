// What npm installs with the main package: licences, scripts, sources, and the Node that each asks for.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { satisfies } from 'semver'
import { LICENSES_FILE, licensesText, objection } from '../../scripts/licenses.mjs'
import { dependencies } from '../../scripts/packaging/dependencies.mjs'
import { clone } from '../helpers/cli.mjs'

const all = dependencies()
const called = ({ name, version }) => `${name}@${version}`
/** Of each line that packages.md names, the version that was tried. */
const [tried] = readFileSync(join(clone, 'docs/packages.md'), 'utf8').match(
  /Node 20\.[\d.]+, 22\.[\d.]+ and 24\.[\d.]+/,
)
const NODES = tried.match(/\d+\.\d+\.\d+/g)

test('THIRD_PARTY_LICENSES is what the lockfile asks for (node scripts/licenses.mjs rewrites it)', () => {
  const text = readFileSync(join(clone, LICENSES_FILE), 'utf8')
  assert.equal(licensesText(), text)
  for (const one of all) assert.ok(text.includes(called(one)), called(one))
})

test('a licence that is not on the list is told; an exception is for one package', () => {
  assert.deepEqual(all.map(objection).filter(Boolean), [])
  const strange = { name: 'strange', version: '1.0.0' }
  assert.match(objection({ ...strange, license: 'GPL-3.0-only' }), /^strange@1\.0\.0: .*GPL-3\.0-only/)
  assert.match(objection(strange), /none named/)
  assert.ok(objection({ ...strange, license: 'LGPL-3.0-or-later' }))
  assert.equal(objection({ ...strange, name: 'codec-parser', license: 'LGPL-3.0-or-later' }), undefined)
})

test('none runs a script when it is installed', () => {
  assert.deepEqual(all.filter(({ hasInstallScript }) => hasInstallScript).map(called), [])
})

test('each comes from the registry, with the hash of its content', () => {
  const odd = all.filter(
    ({ integrity, resolved }) =>
      !/^sha512-/.test(integrity ?? '') || (resolved && !resolved.startsWith('https://registry.')),
  )
  assert.deepEqual(odd.map(called), [])
})

test('each runs on the versions of Node that are promised', () => {
  assert.equal(NODES.length, 3)
  const odd = all.flatMap((one) =>
    NODES.filter((node) => !satisfies(node, one.engines?.node ?? '*')).map(
      (node) => `${called(one)} on ${node}`,
    ),
  )
  assert.deepEqual(odd, [])
})

const manifest = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'))

test('a clone cannot be published by mistake: npm run package makes what is', () => {
  assert.equal(manifest.private, true)
})

test('what is depended on directly is pinned', () => {
  for (const [name, wanted] of Object.entries(manifest.dependencies)) {
    assert.match(wanted, /^\d+\.\d+\.\d+$/, name)
    assert.ok(
      all.some((one) => one.path === `node_modules/${name}` && one.version === wanted),
      name,
    )
  }
})
