// The native code that knows no libtorch with its tests (test/plain), built apart for an instrument: for coverage.mjs and
// test_sanitizers.mjs.
import { join } from 'node:path'
import { setUpLibtorch } from './setup.mjs'
import { capture, compile, makeFolders, root, step } from './steps.mjs'

/** Builds it into a folder, where `plain_tests` is then. `mode`: see test/plain/CMakeLists.txt; `compiler`: else CMake's. */
export async function buildPlainTests(folder, mode, compiler) {
  const libtorch = await setUpLibtorch()
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
