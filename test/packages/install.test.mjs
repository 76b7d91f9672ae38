// Somebody else's folder: npm installs both packages there, without scripts, network, compiler or Python, and the first
// page of the README runs.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { makePackages } from '../../scripts/package.mjs'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { bareEnvironment, copyDependencies, libtorch, run } from '../helpers/packages.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

/** `name@version` of all packages below node_modules of a folder, each once, sorted. */
function installedUnder(folder) {
  const found = new Set()
  const visit = (place) => {
    const modules = join(place, 'node_modules')
    if (!existsSync(modules)) return
    for (const entry of readdirSync(modules).filter((name) => !name.startsWith('.')))
      for (const name of entry.startsWith('@')
        ? readdirSync(join(modules, entry)).map((one) => `${entry}/${one}`)
        : [entry]) {
        const { version } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'))
        found.add(`${name}@${version}`)
        visit(join(modules, name))
      }
  }
  visit(folder)
  return [...found].sort()
}

describe('both packages, installed by npm into an empty folder', () => {
  const folder = temporaryFolder({ 'app/package.json': { name: 'app', private: true } })
  const app = join(folder, 'app')
  const cache = join(folder, 'cache')
  const env = bareEnvironment(folder, cache)
  const node = (...args) => run(process.execPath, args, { cwd: app, env })
  const npx = (...args) => run('npx', ['--offline', 'tongueforge', ...args], { cwd: app, env })
  let made

  before(async () => {
    made = await makePackages(join(folder, 'packages'))
    copyDependencies(app) // what the npm registry would give: the packages, and nothing fetched
    const tarballs = [made.main.path, made.platform.path]
    const options = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
    const { code, err } = await run('npm', ['install', ...options, ...tarballs], { cwd: app, env })
    assert.equal(code, 0, err)
    for (const [seed, name] of ['cp', 'base', 'chat'].entries())
      await writeTinyModel(join(app, 'demo-out', name), { seed })
  })

  test('the main package is JavaScript, types and pages: no source, no script, no libtorch, no build', () => {
    const root = join(app, 'node_modules', 'tongueforge')
    assert.deepEqual(readdirSync(root).sort(), [
      ...['LICENSE', 'README.md', 'SECURITY.md', 'THIRD_PARTY_LICENSES'],
      ...['dist', 'docs', 'index.mjs', 'package.json', 'recipes', 'sbom.cdx.json'],
    ])
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    assert.equal(manifest.scripts, undefined)
    assert.equal(manifest.devDependencies, undefined)
    assert.deepEqual(manifest.optionalDependencies, { [made.platform.name]: manifest.version })
    assert.ok(existsSync(join(root, manifest.main)) && existsSync(join(root, manifest.types)))
    assert.ok(made.main.size < 3e6 && made.main.unpackedSize < 10e6, `${made.main.unpackedSize} bytes`)
  })

  test('the platform package is one addon and what it needs', () => {
    const { os, cpu } = made.platform.manifest
    const place = `prebuilds/${os[0]}-${cpu[0]}`
    assert.deepEqual(made.platform.files.map(({ path }) => path).sort(), [
      ...['LICENSE', 'README.md', 'THIRD_PARTY_LICENSES', 'package.json'],
      ...[`${place}/tongueforge.glibc.node`, `${place}/tongueforge.json`, 'sbom.cdx.json'],
    ])
    assert.ok(
      made.platform.size < 5e6 && made.platform.unpackedSize < 10e6,
      `${made.platform.unpackedSize} bytes`,
    )
  })

  test('packed again, by somebody of other habits, they are the same bytes', async () => {
    const program = `process.umask(0o077)
      const { makePackages } = await import(process.argv[1])
      const { main, platform } = await makePackages(process.argv[2])
      console.log(JSON.stringify([main.integrity, platform.integrity]))`
    const script = new URL('../../scripts/package.mjs', import.meta.url).href
    const options = { env: { ...process.env, TZ: 'Asia/Tokyo', LANG: 'ka_GE.UTF-8' } }
    const args = ['--input-type=module', '-e', program, script, join(folder, 'again')]
    const { code, out, err } = await run(process.execPath, args, options)
    assert.equal(code, 0, err)
    const again = JSON.parse(out.trim().split('\n').at(-1))
    assert.deepEqual(again, [made.main.integrity, made.platform.integrity])
  })

  test('their bills of materials name what npm has installed, no more and no less', () => {
    const { metadata, components, dependencies } = sbomOf('tongueforge')
    const { name, version } = made.main.manifest
    assert.deepEqual([metadata.component.name, metadata.component.version], [name, version])
    const named = components.map((one) => `${one.name}@${one.version}`)
    const installed = installedUnder(app).filter((one) => one !== `${name}@${version}`)
    assert.deepEqual(named.toSorted(), installed)
    assert.ok(installed.length > 100, `${installed.length} packages`)
    for (const { name: one, licenses } of components) assert.ok(licenses?.length > 0, one)
    const direct = dependencies.find(({ ref }) => ref === `${name}@${version}`).dependsOn
    const { dependencies: npm, optionalDependencies: prebuilt } = made.main.manifest
    const asked = Object.entries({ ...npm, ...prebuilt }).map(([one, wanted]) => `${one}@${wanted}`)
    assert.deepEqual(direct.toSorted(), asked.toSorted())
  })

  test('the one of the platform package has the hash of its addon, and a licence for all that is in it', () => {
    const { components } = sbomOf(made.platform.name)
    const [addon, ...parts] = components
    const bytes = readFileSync(join(app, 'node_modules', made.platform.name, addon.name))
    assert.equal(addon.hashes[0].content, createHash('sha256').update(bytes).digest('hex'))
    const within = ['node-addon-api', 'node-api-headers', 'libtorch headers']
    assert.deepEqual(
      parts.map(({ name }) => name),
      [...within, 'libtorch', 'GCC runtime libraries', 'glibc'],
    )
    const texts = readFileSync(join(app, 'node_modules', made.platform.name, 'THIRD_PARTY_LICENSES'), 'utf8')
    for (const { name, version } of parts)
      assert.ok(texts.includes(version ? `${name} ${version}` : name), name)
    for (const words of ['Node.js API collaborators', 'From PyTorch:', 'Redistributions in binary form'])
      assert.ok(texts.includes(words), words)
  })

  const sbomOf = (name) => JSON.parse(readFileSync(join(app, 'node_modules', name, 'sbom.cdx.json'), 'utf8'))

  test('without libtorch the first call that needs it says what to type, and so does doctor', async () => {
    const program = `const { inspect, VERSION } = require('tongueforge')
      inspect('demo-out/base').catch(({ code, hint }) => console.log(JSON.stringify({ VERSION, code, hint })))`
    const { out, err } = await node('-e', program)
    const { version } = made.main.manifest
    assert.deepEqual(JSON.parse(out || err), {
      VERSION: version,
      code: 'ERR_LIBTORCH',
      hint: 'npx tongueforge setup',
    })
    const doctor = await npx('doctor', '--json')
    assert.equal(doctor.code, 1)
    const { addon, problems } = JSON.parse(doctor.out)
    assert.deepEqual(addon, { version, package: made.platform.name, cuda_kernels: null })
    assert.deepEqual(
      problems.map(({ code, hint }) => [code, hint]),
      [['ERR_LIBTORCH', 'npx tongueforge setup']],
    )
  })

  test('setup without Python says what it needs, and takes a libtorch from a folder without it', async () => {
    const without = await npx('setup')
    assert.equal(without.code, 1)
    assert.match(without.err, /needs python3, which was not found[\s\S]*setup --from FOLDER/)
    const { code, out, err } = await npx('setup', '--from', libtorch, '--json')
    assert.equal(code, 0, err)
    assert.equal(JSON.parse(out).source, 'cache')
    assert.equal(readdirSync(join(cache, 'trials')).length, 1, 'the addon was tried on it')
  })

  test('then the README runs, as an ES module', async () => {
    const program = /```js\n([\s\S]*?)```/.exec(readFileSync(join(clone, 'README.md'), 'utf8'))[1]
    writeFileSync(join(app, 'example.mjs'), program)
    const { code, out, err } = await node('example.mjs')
    assert.equal(code, 0, err)
    assert.ok(out.length > 0 && existsSync(join(app, 'demo-out', 'mine', 'model.safetensors')))
  })

  test('and from CommonJS, and as a command through npx', async () => {
    const program = `require('tongueforge').inspect('demo-out/mine').then(({ architecture }) => console.log(architecture))`
    assert.equal((await node('-e', program)).out, 'llama\n')
    const { code, out, err } = await npx('generate', 'demo-out/mine', '--prompt', 'the color of', '--json')
    assert.equal(code, 0, err)
    assert.equal(JSON.parse(out).finish_reason, 'length')
    assert.deepEqual(JSON.parse((await npx('doctor', '--json')).out).problems, [])
  })
})
