// The main package: JavaScript, types, pages and recipes of the clone, with a manifest that has no scripts, and that
// brings along the prebuilt packages of its own version.
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { filesUnder, makeFolders, root } from '../steps.mjs'
import { mainManifest } from './platform_package.mjs'
import { SBOM_FILE } from './sbom.mjs'

const require = createRequire(import.meta.url)

/** What npm takes whatever a manifest says, beside package.json. */
const ALWAYS = ['README.md', 'LICENSE']
/** Of a clone alone: building, testing, publishing by mistake. */
const LEFT_OUT = ['private', 'scripts', 'devDependencies', 'imports', 'gypfile', 'binary']

/** Writes the main package into a folder and answers with its manifest. */
export function stageMainPackage(folder) {
  rmSync(folder, { recursive: true, force: true })
  const manifest = publishedManifest()
  for (const file of packagedFiles(manifest)) {
    makeFolders(dirname(join(folder, file)))
    cpSync(join(root, file), join(folder, file))
  }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  return manifest
}

function publishedManifest() {
  const { PREBUILT_PACKAGES, packageName } = require('../../dist/addon/prebuilt.js')
  const manifest = mainManifest()
  for (const key of LEFT_OUT) delete manifest[key]
  const along = PREBUILT_PACKAGES.filter(({ built, cuda }) => built && cuda === undefined)
  manifest.files.push(SBOM_FILE)
  manifest.optionalDependencies = Object.fromEntries(along.map((one) => [packageName(one), manifest.version]))
  return manifest
}

// Compiled code without its maps: the sources that they point at are not in the package.
function packagedFiles({ files }) {
  const named = files.flatMap((path) => filesUnder(path))
  return [...ALWAYS, ...named.filter((file) => !/\.map$|\/\.stamp$/.test(file))]
}
