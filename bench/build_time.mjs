// Times the native part from nothing, in a folder of its own: node bench/build_time.mjs
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findLibtorch } from '#lib/libtorch'
import { machine } from './statistics.mjs'

const clone = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const libtorch = findLibtorch()
const folder = mkdtempSync(join(tmpdir(), 'tongueforge-build-'))
const began = performance.now()
try {
  const cmakeJs = require.resolve('cmake-js/bin/cmake-js')
  const options = ['build', '--out', folder, `--CDLIBTORCH=${libtorch.path}`, '-p', '2']
  execFileSync(process.execPath, [cmakeJs, ...options], {
    cwd: clone,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const seconds = (performance.now() - began) / 1000
  console.log(
    JSON.stringify(
      { unit: 's', native_build: Number(seconds.toFixed(1)), torch: libtorch.version, ...machine() },
      null,
      2,
    ),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
