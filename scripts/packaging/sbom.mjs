// What a package brings along, as a bill of materials in CycloneDX 1.5 (ecma-international.org, ECMA-424). Those of npm
// packages come from `npm sbom`, offline, out of the lockfile; those of the addon from its own table. Same input, same
// bytes: no time, and a serial number that is a hash.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture } from '../steps.mjs'
import { installedEntries, lockfile } from './dependencies.mjs'

export const SBOM_FILE = 'sbom.cdx.json'

/**
 * Of the main package. `npm sbom --omit dev` in the clone leaves out what development needs too (zod, yaml), so npm is
 * shown a folder that has no development: manifest and lockfile without it.
 */
export async function mainSbom(manifest) {
  const { name, version, license, description, dependencies, optionalDependencies } = manifest
  const bare = { name, version, license, description, dependencies }
  const folder = mkdtempSync(join(tmpdir(), 'tongueforge-sbom-'))
  try {
    const lock = { ...lockfile(), packages: { '': bare, ...installedEntries() } }
    writeFileSync(join(folder, 'package.json'), JSON.stringify(bare))
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock))
    const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only']
    const said = await capture('npm', args, {
      cwd: folder,
      failure: 'npm sbom failed',
      env: { ...process.env, npm_config_loglevel: 'error', npm_config_offline: 'true' },
    })
    const bom = JSON.parse(said.slice(said.indexOf('{')))
    bom.metadata.component.name = name // npm has the folder's
    return sealed(withPrebuilt(bom, optionalDependencies ?? {}))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function withPrebuilt(bom, packages) {
  const license = bom.metadata.component.licenses
  const components = Object.entries(packages).map(([name, version]) => ({
    ...{ 'bom-ref': `${name}@${version}`, type: 'library', name, version, scope: 'optional' },
    ...{ purl: `pkg:npm/${name.replace('@', '%40')}@${version}`, licenses: license },
  }))
  const refs = components.map((one) => one['bom-ref'])
  const own = bom.dependencies.find(({ ref }) => ref === bom.metadata.component['bom-ref'])
  own.dependsOn.push(...refs)
  bom.components.push(...components)
  bom.dependencies.push(...refs.map((ref) => ({ ref, dependsOn: [] })))
  return bom
}

/** Of a platform package: its addon at `path` with `sha256`, what is compiled into it and what it is linked to. */
export function platformSbom({ name, version, license, description }, { path, sha256 }, parts) {
  const licenses = licensesOf(license)
  const own = { 'bom-ref': `${name}@${version}`, type: 'library', name, version, description, licenses }
  const addon = {
    ...{ 'bom-ref': path, type: 'file', name: path, version, scope: 'required', licenses },
    hashes: [{ alg: 'SHA-256', content: sha256 }],
  }
  const components = parts.map((part) => ({
    ...{ 'bom-ref': part.name, type: 'library', name: part.name, scope: 'required' },
    ...(part.version && { version: part.version }),
    ...(part.purl && { purl: part.purl }),
    licenses: licensesOf(part.license),
    properties: [{ name: 'tongueforge:how', value: part.how }],
  }))
  const refs = components.map((one) => one['bom-ref'])
  return sealed({
    ...{
      $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
    },
    version: 1,
    metadata: { lifecycles: [{ phase: 'build' }], component: own },
    components: [addon, ...components],
    dependencies: [
      { ref: own['bom-ref'], dependsOn: [path] },
      { ref: path, dependsOn: refs },
      ...refs.map((ref) => ({ ref, dependsOn: [] })),
    ],
  })
}

function licensesOf(license) {
  if (/ (WITH|OR|AND) /.test(license)) return [{ expression: license }]
  return [{ license: /^[\w.+-]+$/.test(license) ? { id: license } : { name: license } }]
}

function sealed({ serialNumber: _, metadata: { timestamp: __, ...metadata }, ...bom }) {
  const hex = createHash('sha256')
    .update(JSON.stringify([metadata, bom]))
    .digest('hex')
  const uuid = /^(.{8})(.{4})(.{4})(.{4})(.{12})/.exec(hex).slice(1).join('-')
  const { $schema, bomFormat, specVersion, ...rest } = bom
  return { $schema, bomFormat, specVersion, serialNumber: `urn:uuid:${uuid}`, metadata, ...rest }
}
