// Every .cu file by plain nvcc, for both architectures and without a warning: a machine without a GPU can tell that much.
// A file that compiled is not compiled again until it, a header of the kernels or the compiler changes.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nvcc } from '../../../scripts/native_build.mjs'
import { filesUnder, fingerprint, root } from '../../../scripts/steps.mjs'

const ARGUMENTS = [
  '-std=c++20',
  '-Inative',
  '-gencode=arch=compute_80,code=sm_80',
  '-gencode=arch=compute_90,code=sm_90',
  '-Werror=all-warnings',
  '-fatbin',
]
const compiler = nvcc()
const headers = filesUnder('native', (file) => /native\/(core|kernels)\/.*\.(h|cuh)$/.test(file))
const sources = filesUnder('native', (file) => file.endsWith('.cu'))
const skip = compiler ? false : 'no nvcc on the PATH, in CUDACXX or in its usual place'

test('there are CUDA kernels to compile', () => {
  assert.ok(sources.includes('native/kernels/rms_norm.cu'), sources.join())
})

for (const file of sources) {
  test(`nvcc compiles ${file} without a warning`, { skip }, () => {
    const version = spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout
    const known = join(root, 'build', 'nvcc', fingerprint([file, ...headers], version, ...ARGUMENTS))
    if (existsSync(known)) return
    const { status, stdout, stderr } = spawnSync(compiler, [...ARGUMENTS, file, '-o', devNull], {
      cwd: root,
      encoding: 'utf8',
    })
    assert.equal(`${stdout}${stderr}`, '')
    assert.equal(status, 0)
    mkdirSync(join(root, 'build', 'nvcc'), { recursive: true })
    writeFileSync(known, '')
  })
}
