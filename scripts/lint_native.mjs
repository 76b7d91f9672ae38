// Formats C++ with clang-format, or with no argument says what is not formatted (npm run lint, npm run format).
// One pinned version for everyone, since versions differ in taste: the one on the PATH if it is that version,
// otherwise the wheel of that version, installed into build/lint-env and nowhere else.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { capture, filesUnder, hand, isMain, root, runScript } from './steps.mjs'

const VERSION = '23.1.3'
const FOLDER = 'build/lint-env'

/** The native sources that are ours. */
function sources() {
  return ['native', 'test/native', 'test/fuzz', 'test/plain'].flatMap((folder) =>
    filesUnder(folder, (file) => /\.(h|cpp|cu|cuh)$/.test(file)),
  )
}

async function clangFormat() {
  const found = spawnSync('clang-format', ['--version'], { encoding: 'utf8' }).stdout ?? ''
  if (found.includes(`version ${VERSION}`)) return 'clang-format'
  const program = join(root, FOLDER, `clang-format-${VERSION}`, 'clang_format', 'data', 'bin', 'clang-format')
  if (!existsSync(program)) {
    const target = join(FOLDER, `clang-format-${VERSION}`)
    const args = [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--no-deps',
      '--disable-pip-version-check',
      '--target',
      target,
    ]
    await capture('python3', [...args, `clang-format==${VERSION}`], {
      failure: 'pip could not install clang-format',
      hint: `put clang-format ${VERSION} on the PATH`,
    })
  }
  return program
}

if (isMain(import.meta)) {
  await runScript(async () => {
    const files = sources()
    if (files.length === 0) return 0
    const fix = process.argv.includes('--fix')
    return hand(await clangFormat(), [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...files])
  })
}
