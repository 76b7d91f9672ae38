// The way to another libtorch where the one that was found will not do: it depends on where that one came from.
import { sep } from 'node:path'
import { cacheFolder, type Libtorch, minorVersion } from '../libtorch_folders'

/** The next thing to type. `wanted`: what would do. */
export function anotherLibtorch(found: Libtorch, wanted = whole(found)): string {
  const { version, cuda } = found
  switch (originOf(found)) {
    case 'LIBTORCH':
      return `unset LIBTORCH, or point it at ${wanted}`
    case 'python':
      return `install torch anew where python3 has it (pip install --force-reinstall torch==${version.split('+')[0]}), or set LIBTORCH to ${wanted}`
    case 'cache':
      return `npx tongueforge setup --clean, then npx tongueforge setup${cuda === null ? '' : ' --cuda'}`
    case 'build':
      return `set LIBTORCH to ${wanted}`
  }
}

/** What a build was made with may lie in the cache. */
function originOf({ source, path }: Libtorch): Libtorch['source'] {
  return source === 'build' && path.startsWith(cacheFolder() + sep) ? 'cache' : source
}

function whole({ version, cuda }: Libtorch): string {
  const libraries = cuda === null ? '' : ` with the libraries of CUDA ${cuda} that it needs`
  return `a whole libtorch ${minorVersion(version)}${libraries}`
}
