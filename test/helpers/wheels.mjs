// Small wheels, such as pip downloads and the set-up unpacks.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { emptyFolder } from './cli.mjs'

/** Makes a wheel of some files in a folder; `recorded` replaces contents in the list of hashes only. */
export function makeWheel(target, name, version, files, { requires = [], recorded = {} } = {}) {
  const tree = emptyFolder()
  const info = `${name.replaceAll('-', '_')}-${version}.dist-info`
  const metadata = ['Metadata-Version: 2.1', `Name: ${name}`, `Version: ${version}`]
  const all = {
    ...files,
    [`${info}/METADATA`]: [...metadata, ...requires.map((need) => `Requires-Dist: ${need}`), ''].join('\n'),
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  }
  const lines = Object.entries(all).map(([path, content]) => {
    const hash = createHash('sha256')
      .update(recorded[path] ?? content)
      .digest('base64url')
    return `${path},sha256=${hash},${content.length}`
  })
  all[`${info}/RECORD`] = [...lines, `${info}/RECORD,,`, ''].join('\n')
  for (const [path, content] of Object.entries(all)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), content)
  }
  const wheel = join(target, `${name.replaceAll('-', '_')}-${version}-py3-none-any.whl`)
  execFileSync('python3', ['-m', 'zipfile', '-c', wheel, ...readdirSync(tree)], { cwd: tree })
  return wheel
}

/** What the set-up looks at in a wheel of torch. */
export function torchFiles(cuda, version = '2.13.0') {
  return {
    'torch/version.py': `__version__ = '${version}'\ncuda: Optional[str] = ${cuda ? `'${cuda}'` : 'None'}\n`,
    'torch/lib/libtorch_cpu.so': 'not really a library',
    'torch/lib/libgomp.so.1': 'nor this',
  }
}
