// node scripts/licenses.mjs: writes THIRD_PARTY_LICENSES, the licences of all packages that npm installs with tongueforge.
// A test compares it with the lockfile. A licence that is not on the list below is an error: look at it first.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dependencies } from './packaging/dependencies.mjs'
import { isMain, root, runScript, StepError } from './steps.mjs'

export const LICENSES_FILE = 'THIRD_PARTY_LICENSES'

const ALLOWED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'Unlicense']
/** Others, each for one package, with what it asks for. */
const EXCEPTIONS = {
  'codec-parser': {
    license: 'LGPL-3.0-or-later',
    reason:
      'reads the frames of FLAC; a package of its own in node_modules, unchanged, that anybody can replace',
  },
}

/** Why a dependency may not come along; undefined where it may. */
export function objection({ name, version, license }) {
  if (ALLOWED.includes(license) || (license && EXCEPTIONS[name]?.license === license)) return undefined
  return `${name}@${version}: its licence, ${license ?? 'none named'}, is not on the list`
}

/** The content of THIRD_PARTY_LICENSES. Throws where a licence is not on the list. */
export function licensesText() {
  const all = dependencies()
  const objections = all.map(objection).filter(Boolean)
  if (objections.length > 0)
    throw new StepError('a licence is not on the list', {
      output: objections.join('\n'),
      hint: 'read it; then a word in ALLOWED or a row in EXCEPTIONS of scripts/licenses.mjs, or another package',
    })
  return `${head(all)}\n${texts(all)}`
}

function head(all) {
  const byLicense = new Map()
  for (const { license, name, version } of all)
    byLicense.set(license, [...(byLicense.get(license) ?? []), `${name}@${version}`])
  const lists = [...byLicense]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([license, names]) => `${license}\n${wrapped([...new Set(names)])}\n`)
  const exceptions = Object.entries(EXCEPTIONS).map(([name, { reason }]) =>
    wrapped([`${name}: ${reason}`], ''),
  )
  return [
    'Packages that npm installs with tongueforge. None of them is inside it: each lies in node_modules with its own',
    'licence. Written by scripts/licenses.mjs out of package-lock.json.',
    '',
    ...lists,
    ...exceptions,
    '',
  ].join('\n')
}

function wrapped(words, indent = '  ', width = 116) {
  const lines = ['']
  for (const word of words.join(', ').split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`
    if (longer.length <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines.map((line) => indent + line).join('\n')
}

/** Each text once, below the packages that have it. */
function texts(all) {
  const owners = new Map()
  for (const one of all) {
    const text = textOf(one)
    owners.set(text, [...new Set([...(owners.get(text) ?? []), `${one.name}@${one.version}`])])
  }
  const rule = '-'.repeat(80)
  return [...owners].map(([text, names]) => `${rule}\n${wrapped(names, '')}\n\n${text}\n`).join('\n')
}

function textOf({ path, license }) {
  const folder = join(root, path)
  const files = readdirSync(folder)
    .filter((name) => /^(licen[cs]e|copying|notice|unlicense)/i.test(name))
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort()
  if (files.length === 0) return `(The package names ${license} and has no text of it.)`
  return files.map((name) => plain(readFileSync(join(folder, name), 'utf8'))).join('\n\n')
}

const plain = (text) =>
  text
    .replace(/^\uFEFF/, '')
    .replaceAll('\r\n', '\n')
    .replaceAll(/[ \t]+$/gm, '')
    .trim()

if (isMain(import.meta)) {
  await runScript(async () => {
    writeFileSync(join(root, LICENSES_FILE), licensesText())
  })
}
