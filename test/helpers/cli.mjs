// The real command as a child process, with an environment that knows nothing of this machine's libtorch or cache
// unless a test says so.
import { spawn } from 'node:child_process'
import { setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const clone = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
export const main = join(clone, 'dist/cli/main.js')

setMaxListeners(100, process) // one a folder

/** An empty folder of the system's, gone when the test file has ended. */
export function emptyFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'tongueforge-test-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs the command to its end: {code, signal, out, err}. `input` is its stdin; `onStart(child)` sees it run. */
export function cli(args, { env = {}, cwd, input = '', onStart } = {}) {
  return new Promise((done) => {
    const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, ...env } })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      err += text
    })
    child.on('close', (code, signal) => done({ code, signal, out, err }))
    child.stdin.on('error', () => {}) // it may have ended before it read
    child.stdin.end(input)
    onStart?.(child)
  })
}

/** The environment of a machine without any libtorch, Python or addon. */
export function bareMachine() {
  const nothing = emptyFolder()
  return {
    PATH: nothing,
    LIBTORCH: '',
    TONGUEFORGE_CACHE: nothing,
    TONGUEFORGE_ADDON: join(nothing, 'none.node'),
  }
}
