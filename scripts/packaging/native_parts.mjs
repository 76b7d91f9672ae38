// What the addon is made of besides our own code, and what it is linked to. A new part is a row here; an addon that needs
// a library of no row is not packed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, StepError } from '../steps.mjs'

/**
 * @typedef {object} Part
 * @property {string} name
 * @property {'compiled in' | 'linked, not in the package'} how
 * @property {string} license      an SPDX expression, or the name of a licence that SPDX does not have
 * @property {string} [version]    where the package decides it
 * @property {string} [purl]
 * @property {string} [text]       file with the licence, from the root: of what is in the package
 * @property {RegExp} [libraries]  names that the addon is linked to
 */

/** The parts of an addon with this record (tongueforge.json) that needs these libraries. @returns {Part[]} */
export function nativeParts({ torch_version }, needed) {
  const parts = [
    ...['node-addon-api', 'node-api-headers'].map(headersOf),
    {
      ...{ name: 'libtorch headers', how: 'compiled in', version: torch_version, license: 'BSD-3-Clause' },
      ...{ purl: `pkg:pypi/torch@${torch_version}`, text: 'third_party/pytorch-LICENSE.txt' },
    },
    ...linked({
      ...{ name: 'libtorch', version: torch_version, license: 'BSD-3-Clause' },
      libraries: /^lib(torch|torch_cpu|torch_cuda|c10|c10_cuda)\.so/,
    }),
    ...linked({ name: 'CUDA runtime', license: 'NVIDIA CUDA Toolkit EULA', libraries: /^libcudart\.so/ }),
    ...linked({
      ...{ name: 'GCC runtime libraries', license: 'GPL-3.0-or-later WITH GCC-exception-3.1' },
      libraries: /^lib(stdc\+\+|gcc_s|gomp)\.so/,
    }),
    ...linked({
      name: 'glibc',
      license: 'LGPL-2.1-or-later',
      libraries: /^(lib[cm]|ld-linux-[a-z0-9-]+)\.so/,
    }),
  ]
  const unknown = needed.filter((name) => !parts.some(({ libraries }) => libraries?.test(name)))
  if (unknown.length === 0) return parts
  throw new StepError(`the addon is linked to ${unknown.join(', ')}, which no row tells of`, {
    hint: 'add a row with its licence to scripts/packaging/native_parts.mjs',
  })

  function linked(part) {
    const found = needed.some((name) => part.libraries.test(name))
    return found ? [{ ...part, how: 'linked, not in the package' }] : []
  }
}

function headersOf(name) {
  const folder = `node_modules/${name}`
  const { version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
  const text = name === 'node-addon-api' ? `${folder}/LICENSE.md` : `${folder}/LICENSE`
  return { name, how: 'compiled in', version, license, purl: `pkg:npm/${name}@${version}`, text }
}
