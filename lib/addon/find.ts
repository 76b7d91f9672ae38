// Where the addon is: TONGUEFORGE_ADDON (say, a debug build), else the clone's own build, else the prebuilt package of
// this platform. Nothing is loaded here.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve, sep } from 'node:path'
import { TongueforgeError } from '../errors'
import { VERSION } from '../version'
import { PREBUILT_PACKAGES, packageName, packagesFor } from './prebuilt'
import { type AddonFile, packageRoot, readRecord } from './record'
import { checkGlibc, LIBTORCH_GLIBC } from './system'

/** The addon that would be loaded, or undefined. Whether it fits this machine is another question. */
export function findAddon(): AddonFile | undefined {
  const named = process.env.TONGUEFORGE_ADDON
  if (named) return addonAt(resolve(named))
  return addonAt(join(packageRoot, 'build', 'Release', 'tongueforge.node')) ?? prebuiltAddon()
}

function addonAt(path: string): AddonFile | undefined {
  const record = existsSync(path) ? readRecord(path) : undefined
  return record && { path, record }
}

function prebuiltAddon(): AddonFile | undefined {
  for (const name of packagesFor(process.platform, process.arch).map(packageName)) {
    const folder = installedFolder(name)
    const found = folder && addonAt(addonIn(folder))
    if (found) return { ...found, package: name }
  }
  return undefined
}

/** The folder of an installed package, found as `require` would from the main package. */
function installedFolder(name: string): string | undefined {
  try {
    return dirname(createRequire(join(packageRoot, 'package.json')).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

// node-gyp-build knows the layout that prebuildify writes, and the C library of this machine.
function addonIn(folder: string): string {
  try {
    const { path } = require('node-gyp-build') as { path(folder: string): string }
    const found = path(folder)
    return found.startsWith(folder + sep) ? found : '' // it also looks beside node itself
  } catch {
    return ''
  }
}

/** ERR_ADDON or ERR_PLATFORM: there is no native part. In a clone it is built, elsewhere it comes as a package. */
export function missingAddon(): TongueforgeError {
  const named = process.env.TONGUEFORGE_ADDON
  if (named) {
    return new TongueforgeError(
      'ERR_ADDON',
      `TONGUEFORGE_ADDON: expected a built addon with tongueforge.json beside it, received ${named}`,
      { hint: 'unset TONGUEFORGE_ADDON' },
    )
  }
  if (inClone()) {
    return new TongueforgeError('ERR_ADDON', 'the native addon is not built', { hint: 'npm run build' })
  }
  return missingPackage()
}

/** Whether this is a clone, with sources to build from, and no installed package. */
export function inClone(): boolean {
  return existsSync(join(packageRoot, 'CMakeLists.txt'))
}

/** Throws ERR_PLATFORM where no package could help. */
function missingPackage(): TongueforgeError {
  const here = `${process.platform}-${process.arch}`
  const wanted = packagesFor(process.platform, process.arch).find(({ built }) => built)
  if (!wanted) {
    return new TongueforgeError('ERR_ADDON', `there is no prebuilt addon for ${here}`, {
      hint: 'build it in a clone of tongueforge: npm run build',
      details: { platform: process.platform, arch: process.arch },
    })
  }
  if (wanted.libc === 'glibc') checkGlibc(LIBTORCH_GLIBC, 'the prebuilt addon')
  const name = packageName(wanted)
  const others = PREBUILT_PACKAGES.map(packageName).filter((other) => installedFolder(other) !== undefined)
  return new TongueforgeError(
    'ERR_ADDON',
    `expected the prebuilt addon for ${here} in the package ${name}, found ${installedInstead(name, others)}`,
    {
      hint: `${reinstallCommand(name)} (npm leaves it out with --omit=optional, and where node_modules was copied from another machine)`,
      details: { package: name, found: others },
    },
  )
}

function installedInstead(name: string, others: readonly string[]): string {
  if (others.includes(name)) return 'none in it'
  return others.length > 0 ? `only ${others.join(', ')}` : 'no such package'
}

/** What has it unpacked anew, also where it is there: npm, even with --force, does nothing for a version that it finds. */
export function reinstallCommand(name: string): string {
  const folder = installedFolder(name)
  return folder === undefined ? installCommand(name) : `rm -r ${folder}, then ${installCommand(name)}`
}

/** What installs the prebuilt package that belongs to this version. */
export function installCommand(name: string): string {
  return `npm install ${name}@${VERSION}`
}
