// The packages that npm installs with the main one, as the lockfile has them: no development, no link into the clone.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../steps.mjs'

export function lockfile() {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
}

/** The entries of the lockfile that are installed, by their place: `node_modules/vega-lite/node_modules/yargs`. */
export function installedEntries({ packages } = lockfile()) {
  const comesAlong = ([path, { dev, devOptional, link }]) => path !== '' && !dev && !devOptional && !link
  return Object.fromEntries(Object.entries(packages).filter(comesAlong))
}

/** The same as a list, by name and version: `{ path, name, version, license, engines, integrity... }`. */
export function dependencies() {
  return Object.entries(installedEntries())
    .map(([path, entry]) => ({ path, name: path.replace(/^.*node_modules\//, ''), ...entry }))
    .sort((a, b) => compare(a.name, b.name) || compare(a.version, b.version) || compare(a.path, b.path))
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
