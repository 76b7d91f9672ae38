// A clone in small: its build scripts and CMake files as they are, sources that say nothing, and a libtorch that holds
// nothing. So a native build takes seconds, and may be broken in any way.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { clone } from './cli.mjs'
import { temporaryFolder } from './folders.mjs'

const COPIED = ['CMakeLists.txt', 'cmake', 'package.json', 'package-lock.json', 'scripts', 'tsconfig.json']
/** What CMakeLists.txt and scripts/setup.mjs name, and one source for each target. */
const SOURCES = {
  'lib/libtorch.ts': `export const findLibtorch = () => ({ path: 'torch', version: '2.13.0', source: 'cache' })\n`,
  'native/kernels/aten.h': '',
  'native/core/version.cpp': 'const char* version() { return TONGUEFORGE_VERSION; }\n',
  'native/binding/addon.cpp': 'const char* version();\nconst char* addon() { return version(); }\n',
  'test/native/main.cpp': 'int main() { return 0; }\n',
  'test/native/testing.h': '',
  'test/fuzz/json_mutator.cpp': '',
  'test/fuzz/replay_test.cpp': '',
}

/** What CMake looks at in a libtorch, and the linker takes for a library of no symbols. */
function torchFiles({ version = '2.13.0', cuda = false }) {
  const [major, minor, patch] = version.split('.')
  const header = `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`
  const libraries = ['torch_cpu', 'c10', ...(cuda ? ['torch_cuda', 'c10_cuda'] : [])]
  return {
    'include/ATen/ATen.h': '',
    'include/torch/headeronly/version.h': header,
    ...Object.fromEntries(libraries.map((name) => [`lib/lib${name}.so`, '/* no symbols */\n'])),
  }
}

/** {folder, libtorch, write(path, text), read(path), run(code, env)}; it goes when the test file ends. */
export function smallClone(torch = {}) {
  const folder = temporaryFolder(SOURCES)
  for (const path of COPIED) cpSync(join(clone, path), join(folder, path), { recursive: true })
  symlinkSync(join(clone, 'node_modules'), join(folder, 'node_modules'))
  const write = (path, text) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const read = (path) => readFileSync(join(folder, path), 'utf8')
  const addTorch = (place, options) => {
    for (const [path, text] of Object.entries(torchFiles(options))) write(`${place}/${path}`, text)
    return {
      path: join(folder, place),
      version: options.version ?? '2.13.0',
      cuda: options.cuda ? '13.0' : null,
    }
  }
  return { folder, write, read, addTorch, run, libtorch: addTorch('torch', torch) }

  /** Runs code that may use the exports of a script by `script`: {code, out, err}. */
  function run(name, code, env = {}) {
    const script = pathToFileURL(join(folder, 'scripts', `${name}.mjs`)).href
    const text = `import * as script from ${JSON.stringify(script)}\n${code}`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, ...env },
    })
    return { code: status, out: stdout, err: stderr }
  }
}
