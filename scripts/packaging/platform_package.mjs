// The prebuilt package of this machine: the addon as prebuildify lays it out, what it needs, measured on it, and a page.
import { createHash } from 'node:crypto'
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { LICENSES_FILE } from '../licenses.mjs'
import { addonOf } from '../native_build.mjs'
import { makeFolders, root, StepError } from '../steps.mjs'
import { newest, readElf } from './elf.mjs'
import { hidePaths } from './hide_paths.mjs'
import { nativeParts } from './native_parts.mjs'
import { platformSbom, SBOM_FILE } from './sbom.mjs'

const require = createRequire(import.meta.url)

/**
 * Writes the package of a built addon into a folder and answers with its manifest.
 * @param {object} build   as of native_build.mjs; `cuda` makes the package for GPUs
 */
export async function stagePlatformPackage(folder, build = {}) {
  rmSync(folder, { recursive: true, force: true })
  makeFolders(folder)
  const record = recordOf(build)
  const row = rowOf(record)
  const addon = await prebuild(folder, build, row)
  hidePaths(addon)
  const { torch_path: _, ...facts } = record
  const complete = { ...facts, ...measured(addon) }
  writeJson(join(addon, '..', 'tongueforge.json'), complete)
  const manifest = manifestOf(row, complete)
  writeJson(join(folder, 'package.json'), manifest)
  writeFileSync(join(folder, 'README.md'), pageOf(manifest, complete))
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  const parts = nativeParts(complete, process.platform === 'linux' ? readElf(readFileSync(addon)).needed : [])
  writeFileSync(join(folder, LICENSES_FILE), licensesOf(parts))
  writeJson(
    join(folder, SBOM_FILE),
    platformSbom(manifest, { path: relative(folder, addon), ...complete }, parts),
  )
  return manifest
}

/** The texts of what is in the addon; of what it is linked to, where they are. */
function licensesOf(parts) {
  const rule = '-'.repeat(80)
  const named = ({ name, version, license }) => `${name}${version ? ` ${version}` : ''} (${license})`
  const within = parts.filter(({ text }) => text)
  const linked = parts.filter(({ text }) => !text)
  return [
    'Compiled into the addon:',
    ...within.map((part) => `  ${named(part)}`),
    '\nLinked to it, not in this package, with licences of their own where they lie:',
    ...linked.map((part) => `  ${named(part)}`),
    ...within.map(
      (part) => `\n${rule}\n${part.name}\n\n${readFileSync(join(root, part.text), 'utf8').trim()}`,
    ),
    '',
  ].join('\n')
}

/** What a build tells of its addon, which is of the version of the main package. */
export function recordOf(build) {
  const record = JSON.parse(readFileSync(join(root, addonOf(build), '..', 'tongueforge.json'), 'utf8'))
  expectOwnVersion(record)
  return record
}

/** Throws where a built addon is of another version than the main package, which would refuse it. */
export function expectOwnVersion({ version }, main = mainManifest()) {
  if (version === main.version) return
  const message = `expected an addon of version ${main.version}, as in package.json, received ${version}`
  throw new StepError(message, { hint: 'npm run build, with --cuda for the one in build/cuda' })
}

/** The row of the table of prebuilt packages that a build makes. */
function rowOf({ torch_version, cuda, cuda_kernels }) {
  const { packagesFor } = require('../../dist/addon/prebuilt.js')
  const torch = torch_version.split('.').slice(0, 2).join('.')
  const row = packagesFor(process.platform, process.arch).find(
    (one) => one.torch === torch && (one.cuda !== undefined) === cuda,
  )
  if (row && cuda === cuda_kernels) return row
  const kind = cuda ? `CUDA ${cuda_kernels ? 'with' : 'without'} our kernels` : 'the CPU'
  throw new StepError(
    `no prebuilt package is for ${process.platform}-${process.arch}, libtorch ${torch}, ${kind}`,
    { hint: 'add a row to lib/addon/prebuilt.ts; npm run build -- --cuda builds with the kernels' },
  )
}

/** Lets prebuildify strip the addon and lay it out; answers with its path. */
async function prebuild(folder, build, row) {
  const variable = 'TONGUEFORGE_BUILD'
  process.env[variable] = addonOf(build)
  try {
    await promisify(require('prebuildify'))({
      cwd: folder,
      name: 'tongueforge',
      napi: true,
      strip: true,
      tagLibc: row.libc !== undefined,
      nodeGyp: join(root, 'scripts', 'packaging', 'node_gyp.mjs'),
    })
  } finally {
    delete process.env[variable]
  }
  rmSync(join(folder, 'build'), { recursive: true })
  const place = join(folder, 'prebuilds', `${row.platform}-${row.arch}`)
  const [addon] = readdirSync(place).filter((name) => name.endsWith('.node'))
  return join(place, addon)
}

/** What the addon asks of a machine, from its own bytes, and their hash. */
function measured(addon) {
  const bytes = readFileSync(addon)
  const requires =
    process.platform === 'linux'
      ? { glibc: newest(readElf(bytes), 'GLIBC'), libstdcxx: newest(readElf(bytes), 'GLIBCXX') }
      : {}
  return { requires, sha256: createHash('sha256').update(bytes).digest('hex') }
}

function manifestOf(row, { version }) {
  const { packageName } = require('../../dist/addon/prebuilt.js')
  const { license } = mainManifest()
  return {
    name: packageName(row),
    version,
    description: `The native part of tongueforge for ${kindOf(row)}, built with libtorch ${row.torch}.`,
    license,
    os: [row.platform],
    cpu: [row.arch],
    ...(row.libc && { libc: [row.libc] }),
    files: ['prebuilds', LICENSES_FILE, SBOM_FILE],
    preferUnplugged: true,
  }
}

function kindOf({ platform, arch, cuda }) {
  return `${platform}-${arch}${cuda === undefined ? '' : ` with CUDA ${cuda}`}`
}

export function mainManifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
}

/** README.md of a package, by its manifest and what is told of its addon. */
export function pageOf({ name, description }, { torch_version, requires, cuda }) {
  const coming = cuda
    ? `It goes beside tongueforge, by name (\`npm install ${name}\`), and is loaded before the one that came along.`
    : 'It comes along with `npm install tongueforge`, which loads it.'
  const setup = `npx tongueforge setup${cuda ? ' --cuda' : ''}`
  const needs = requires.glibc
    ? `It needs glibc ${requires.glibc} and a libstdc++ with GLIBCXX_${requires.libstdcxx}, or newer.\n`
    : ''
  return `# ${name}

${description} ${coming}

libtorch ${torch_version} is not in it: \`${setup}\` fetches it. ${needs}`
}

function writeJson(file, value) {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
}
