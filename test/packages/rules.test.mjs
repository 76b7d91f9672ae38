// What a package is measured by, before it is packed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PREBUILT_PACKAGES, packageName } from '#lib/addon/prebuilt'
import { isOlder } from '#lib/addon/system'
import { newest, readElf } from '../../scripts/packaging/elf.mjs'
import { hidePaths, toldFolders } from '../../scripts/packaging/hide_paths.mjs'
import {
  brokenAddon,
  brokenRules,
  brokenSbom,
  brokenTexts,
  buildPlaces,
} from '../../scripts/packaging/inspect.mjs'
import { nativeParts } from '../../scripts/packaging/native_parts.mjs'
import { expectOwnVersion, pageOf } from '../../scripts/packaging/platform_package.mjs'
import { platformSbom } from '../../scripts/packaging/sbom.mjs'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const addon = join(clone, 'build', 'Release', 'tongueforge.node')
const objdump = (...args) =>
  spawnSync('objdump', [...args, addon], { encoding: 'utf8', maxBuffer: 1 << 26 }).stdout

test('versions and libraries are those that objdump reads', {
  skip: objdump('-f') ? false : 'no objdump',
}, () => {
  const library = readElf(readFileSync(addon))
  const needed = [...objdump('-p').matchAll(/^\s+NEEDED\s+(\S+)$/gm)].map(([, name]) => name)
  assert.deepEqual(library.needed, needed)
  const listed = (family) =>
    [...objdump('-T').matchAll(new RegExp(`[( ]${family}_([\\d.]+)`, 'g'))].map(([, text]) => text)
  for (const family of ['GLIBC', 'GLIBCXX', 'CXXABI']) {
    const found = newest(library, family)
    assert.ok(listed(family).includes(found), `${family}_${found}`)
    for (const version of listed(family)) assert.ok(!isOlder(found, version), `${family}_${version}`)
  }
})

test('a search path is found, and where the code of initialisation begins', () => {
  const bytes = readFileSync(addon)
  const library = readElf(bytes)
  assert.deepEqual(library.searchPaths, [])
  const init = objdump('-h').match(/\.init\s+\S+\s+\S+\s+\S+\s+(\S+)/)?.[1]
  if (init) assert.equal(library.initOffset, Number.parseInt(init, 16))
  // The first entry of the dynamic section is a DT_NEEDED: as a DT_RUNPATH it is a search path of that name.
  const entry = Buffer.alloc(16)
  entry.writeBigUInt64LE(1n)
  const at = bytes.indexOf(entry.subarray(0, 8), dynamicOffset(bytes))
  bytes.writeBigUInt64LE(29n, at)
  assert.deepEqual(readElf(bytes).searchPaths, [library.needed[0]])
})

function dynamicOffset(bytes) {
  const start = Number(bytes.readBigUInt64LE(40))
  for (let at = start; ; at += 64)
    if (bytes.readUInt32LE(at + 4) === 6) return Number(bytes.readBigUInt64LE(at + 24))
}

test('folders of the machine that built it are overwritten in place; all other bytes stay', () => {
  const text = [
    'at "/build/me/torch/include/c10/core/Tensor.h":12',
    '/src/tongueforge/native/nn/norm.cpp',
    '/proc/self/native/x',
    'native/nn/norm.cpp',
  ].join('\0')
  const folder = temporaryFolder({ 'library.so': `\x7f${text}\0` })
  const file = join(folder, 'library.so')
  assert.deepEqual(hidePaths(file), ['/build/me/torch/', '/src/tongueforge/'])
  const expected = text
    .replace('/build/me/torch/', `.${'/'.repeat(15)}`)
    .replace('/src/tongueforge/', `.${'/'.repeat(16)}`)
  assert.equal(readFileSync(file, 'latin1'), `\x7f${expected}\0`)
  assert.deepEqual(hidePaths(file), [])
})

test('an addon as it was built is not fit to be given away, and why', () => {
  const folder = temporaryFolder({})
  copyFileSync(addon, join(folder, 'tongueforge.node'))
  const told = toldFolders(readFileSync(addon))
  assert.ok(told.length > 0)
  const broken = brokenAddon(folder, [])
  assert.deepEqual(broken, [
    'the addon is not stripped',
    ...told.map((place) => `the addon tells of ${place}`),
  ])
  writeFileSync(join(folder, 'other.node'), '')
  assert.deepEqual(brokenAddon(folder, []), ['expected one addon, found 2'])
})

test('a package with a source, a test, an install script or too many bytes is not fit either', () => {
  const files = [
    'package.json',
    'dist/index.js',
    'dist/index.d.ts',
    'lib/index.ts',
    'dist/a.js.map',
    'binding.gyp',
  ]
  const list = { files: files.map((path) => ({ path })), unpackedSize: 20e6 }
  assert.deepEqual(brokenRules('main', { scripts: { postinstall: 'node x.js', test: 'y' } }, list), [
    'postinstall is an install script',
    'lib/index.ts has no place here',
    'dist/a.js.map has no place here',
    'binding.gyp has no place here',
    '20000000 bytes are more than 12000000',
  ])
})

test('a bill of materials that is none is not fit either', async () => {
  const manifest = { name: '@tongueforge/x', version: '1.0.0', license: 'Apache-2.0', description: 'x' }
  const parts = nativeParts({ torch_version: '2.13.0' }, readElf(readFileSync(addon)).needed)
  const made = () => platformSbom(manifest, { path: 'a.node', sha256: '0'.repeat(64) }, parts)
  assert.deepEqual(await brokenSbom(made()), [])
  assert.deepEqual(made(), made(), 'the same input, the same bytes')
  const changes = {
    'a key of its own': (bom) => Object.assign(bom, { note: 'x' }),
    'a licence that SPDX does not have': (bom) => (bom.components[0].licenses[0].license.id = 'APL-2'),
    'a hash that is none': (bom) => (bom.components[0].hashes[0].content = 'abc'),
    'a component without a name': (bom) => delete bom.components[1].name,
  }
  for (const [what, change] of Object.entries(changes)) {
    const bom = made()
    change(bom)
    const [fault, ...others] = await brokenSbom(bom)
    assert.match(fault, /does not follow its schema/, what)
    assert.deepEqual(others, [], what)
  }
})

test('a file that tells of the machine that made it is found', () => {
  const files = {
    'a.js': `// ${clone}/lib/a.ts`,
    'docs/b.md': 'a page',
    'c.json': '"/elsewhere/c"',
    'd.node': clone,
  }
  const folder = temporaryFolder(files)
  assert.deepEqual(brokenTexts(folder, [`${clone}/`, '/elsewhere/']).sort(), [
    `a.js tells of ${clone}/`,
    'c.json tells of /elsewhere/',
  ])
})

test('an addon that is linked to what no row tells of has no bill of materials', () => {
  assert.throws(() => nativeParts({ torch_version: '2.13.0' }, ['libc.so.6', 'libssl.so.3']), {
    message: /libssl\.so\.3/,
    hint: /native_parts\.mjs/,
  })
})

test('an addon of another version than the main package is not packed beside it', () => {
  expectOwnVersion({ version: '2.0.0' }, { version: '2.0.0' })
  assert.throws(() => expectOwnVersion({ version: '1.0.0' }, { version: '2.0.0' }), {
    message: 'expected an addon of version 2.0.0, as in package.json, received 1.0.0',
    hint: /npm run build/,
  })
})

test('the folders that a package may not tell of are those of the build that it is made of', () => {
  const places = buildPlaces({ torch_path: '/of/the/cuda/build/torch' })
  assert.ok(places.includes('/of/the/cuda/build/torch/'))
  assert.ok(places.includes(`${clone}/`))
})

test('the page of a package says how it is had: along with the main one, or for CUDA by name', () => {
  const manifest = { name: '@tongueforge/x', description: 'The native part.' }
  const facts = { torch_version: '2.13.0', requires: {} }
  assert.match(pageOf(manifest, { ...facts, cuda: false }), /comes along with `npm install tongueforge`/)
  const page = pageOf(manifest, { ...facts, cuda: true })
  assert.match(page, /`npm install @tongueforge\/x`/)
  assert.match(page, /`npx tongueforge setup --cuda` fetches it/)
  assert.doesNotMatch(page, /comes along/)
})

test('prebuilt packages have names of their own', () => {
  const names = PREBUILT_PACKAGES.map(packageName)
  assert.equal(new Set(names).size, names.length)
  assert.ok(names.includes('@tongueforge/linux-x64-torch2.13'))
  assert.ok(names.includes('@tongueforge/linux-x64-torch2.11-cuda13'))
})
