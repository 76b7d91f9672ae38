// npm run package: the packages of this version, for this machine, in build/packages: the main one and the prebuilt
// addon, checked. docs/packages.md says what is in them and how they are tried.
//   npm run package             with the addon in build/Release
//   npm run package -- --cuda   with the one in build/cuda
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { brokenAddon, brokenRules, brokenSbom, brokenTexts, buildPlaces } from './packaging/inspect.mjs'
import { stageMainPackage } from './packaging/main_package.mjs'
import { pack, plainModes } from './packaging/pack.mjs'
import { recordOf, stagePlatformPackage } from './packaging/platform_package.mjs'
import { mainSbom, SBOM_FILE } from './packaging/sbom.mjs'
import { setUp } from './setup.mjs'
import { isMain, makeFolders, root, runScript, StepError } from './steps.mjs'

/** Makes both packages of what is built; answers with what npm says of each, and its manifest. Throws on a broken rule. */
export async function makePackages(out, build = {}) {
  const places = buildPlaces(recordOf(build))
  rmSync(out, { recursive: true, force: true })
  makeFolders(out)
  const main = await finished('main', { out, places }, async (folder) => {
    const manifest = stageMainPackage(folder)
    const sbom = await mainSbom(manifest)
    writeFileSync(join(folder, SBOM_FILE), `${JSON.stringify(sbom, null, 2)}\n`)
    return manifest
  })
  const platform = await finished('platform', { out, places }, (folder) =>
    stagePlatformPackage(folder, build),
  )
  return { main, platform }
}

async function finished(kind, { out, places }, stage) {
  const folder = join(out, kind)
  const manifest = await stage(folder)
  plainModes(folder)
  const packed = await pack(folder, out)
  const broken = [
    ...brokenRules(kind, manifest, packed),
    ...brokenTexts(folder, places),
    ...(await brokenSbom(JSON.parse(readFileSync(join(folder, SBOM_FILE), 'utf8')))),
    ...(kind === 'platform' && process.platform === 'linux' ? brokenAddon(folder, places) : []),
  ]
  if (broken.length === 0) return { ...packed, manifest, folder }
  throw new StepError(`the package ${manifest.name} is not fit to be given away`, {
    output: broken.join('\n'),
  })
}

if (isMain(import.meta)) {
  await runScript(async () => {
    const { values } = parseArgs({ options: { cuda: { type: 'boolean' } } })
    await setUp(values)
    const made = await makePackages(join(root, 'build', 'packages'), values)
    for (const { path, size, unpackedSize, entryCount } of Object.values(made)) {
      const sizes = `${(size / 1e6).toFixed(1)} MB, unpacked ${(unpackedSize / 1e6).toFixed(1)} MB`
      process.stdout.write(`${path}: ${entryCount} files, ${sizes}\n`)
    }
  })
}
