// The library in a realm of its own, as test runners like jest load it: its Error, Array and Float32Array are not
// those of the native addon, which Node loads into the main realm.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { clone } from './cli.mjs'

// What Node adds to JavaScript; JavaScript's own globals the realm has itself.
const NODE_GLOBALS = ['process', 'Buffer', 'performance', 'AbortController', 'AbortSignal', 'DOMException']
const MORE_GLOBALS = [
  'TextDecoder',
  'TextEncoder',
  'setTimeout',
  'clearTimeout',
  'setImmediate',
  'queueMicrotask',
  'URL',
]

/** Returns {library, globals}: the public API, and the realm's own constructors. */
export function libraryInNewRealm() {
  const names = [...NODE_GLOBALS, ...MORE_GLOBALS]
  const context = createContext(Object.fromEntries(names.map((name) => [name, globalThis[name]])))
  const dist = join(clone, 'dist')
  const modules = new Map()

  function load(file) {
    if (modules.has(file)) return modules.get(file).exports
    const module = { exports: {} }
    modules.set(file, module)
    const require = createRequire(file)
    const requireHere = (name) => {
      const found = require.resolve(name)
      return found.startsWith(dist) && found.endsWith('.js') ? load(found) : require(name)
    }
    const wrapper = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`
    runInContext(wrapper, context, { filename: file })(
      module.exports,
      requireHere,
      module,
      file,
      dirname(file),
    )
    return module.exports
  }

  const globals = runInContext('({ Error, Array, Object, Float32Array, Int32Array, Promise })', context)
  return { library: load(join(dist, 'index.js')), globals }
}
