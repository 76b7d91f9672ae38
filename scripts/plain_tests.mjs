// The native code that knows no libtorch with its tests (test/plain), built apart for an instrument: for coverage.mjs and
// test_sanitizers.mjs.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { capture, compile, makeFolders, root, StepError, step } from './steps.mjs'

/** Builds it into a folder, where `plain_tests` is then. `mode`: see test/plain/CMakeLists.txt; `compiler`: else CMake's. */
export async function buildPlainTests(folder, mode, compiler) {
  const { findLibtorch } = createRequire(import.meta.url)('../dist/libtorch.js')
  const libtorch = findLibtorch()
  if (!libtorch) throw new StepError('libtorch is not there', { hint: 'npm run setup' })
  makeFolders(join(root, folder))
  const options = [`-DMODE=${mode}`, `-DLIBTORCH=${libtorch.path}`]
  if (compiler) options.push(`-DCMAKE_CXX_COMPILER=${compiler}`)
  await step('plain_tests', {
    doing: `${mode}, into ${folder}`,
    run: async (report) => {
      await capture('cmake', ['-S', 'test/plain', '-B', folder, ...options], {
        failure: 'CMake could not configure the tests',
        hint: `install cmake, or remove ${folder} and try again`,
      })
      await compile(folder, { failure: `the tests could not be built with ${mode}`, report })
    },
  })
}
