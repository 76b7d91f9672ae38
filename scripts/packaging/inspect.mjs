// What must hold of a package before anybody installs it. Every broken rule is one line; none is the good answer.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative } from 'node:path'
import { root } from '../steps.mjs'
import { readElf } from './elf.mjs'
import { toldFolders } from './hide_paths.mjs'

/** Upper bounds in bytes, unpacked: what is beyond them wants a look, and then another bound. */
const MOST = { main: 12e6, platform: 12e6 }
const FILES = {
  main: /^(package\.json|README\.md|SECURITY\.md|LICENSE|THIRD_PARTY_LICENSES|sbom\.cdx\.json|index\.mjs|dist\/.*\.(js|d\.ts)|docs\/.*\.(md|html|csv|yaml|png)|recipes\/.*\.yaml)$/,
  platform:
    /^(package\.json|README\.md|LICENSE|THIRD_PARTY_LICENSES|sbom\.cdx\.json|prebuilds\/[a-z0-9]+-[a-z0-9]+\/tongueforge(\.(glibc\.)?node|\.json))$/,
}
const SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare']
/** Libraries that a system or libtorch has. */
const EXPECTED_LIBRARIES =
  /^(libtorch(_cpu|_cuda)?|libc10(_cuda)?|libcudart|libgomp|libstdc\+\+|libm|libgcc_s|libc|ld-linux-[a-z0-9-]+)\.so(\.\d+)*$/

/** Rules broken by a packed package: its manifest, and the list of `npm pack --json`. */
export function brokenRules(kind, manifest, { files, unpackedSize }) {
  const paths = files.map(({ path }) => path)
  return [
    ...SCRIPTS.filter((name) => manifest.scripts?.[name]).map((name) => `${name} is an install script`),
    ...paths.filter((path) => !FILES[kind].test(path)).map((path) => `${path} has no place here`),
    ...(unpackedSize > MOST[kind] ? [`${unpackedSize} bytes are more than ${MOST[kind]}`] : []),
  ]
}

/** What is wrong with a bill of materials, by CycloneDX's own schema. */
export async function brokenSbom(sbom) {
  const { Spec, Validation } = await import('@cyclonedx/cyclonedx-library')
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot5)
  const faults = await validator.validate(JSON.stringify(sbom))
  return faults ? [`the bill of materials does not follow its schema: ${JSON.stringify(faults)}`] : []
}

/** Rules broken by the addon of a staged platform package. `places`: folders of the machine that built it. */
export function brokenAddon(folder, places) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.node'))
  if (files.length !== 1) return [`expected one addon, found ${files.length}`]
  const bytes = readFileSync(join(folder, files[0]))
  const library = readElf(bytes)
  return [
    ...(library.stripped ? [] : ['the addon is not stripped']),
    ...library.searchPaths.map((path) => `the addon has the search path ${path}`),
    ...library.needed
      .filter((name) => !EXPECTED_LIBRARIES.test(name))
      .map((name) => `the addon needs ${name}`),
    ...[...toldFolders(bytes), ...places.filter((place) => bytes.includes(place))].map(
      (place) => `the addon tells of ${place}`,
    ),
    ...(statSync(join(folder, files[0])).mode & 0o022 ? ['the addon can be written by others'] : []),
  ]
}

/** Files of a staged package that tell of the machine that made it; addons are looked at by brokenAddon. */
export function brokenTexts(folder, places) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.node'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .flatMap((file) => {
      const bytes = readFileSync(file)
      const told = places.filter((place) => bytes.includes(place))
      return told.map((place) => `${relative(folder, file)} tells of ${place}`)
    })
}

/** Folders of this machine that a build with this record could leave in a binary. */
export function buildPlaces({ torch_path }) {
  return [root, homedir(), torch_path, '/tmp/'].map((place) => place.replace(/\/?$/, '/'))
}
