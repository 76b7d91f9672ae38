// Reads of a shared library what a package has to know: machine, libraries that it needs, versions of their symbols,
// search paths. 64-bit ELF of little-endian machines, that is x64 and arm64 Linux; anything else is an error.
// Layout: the System V ABI, chapters 4 and 5, and the symbol versions of the Linux Standard Base.

const MACHINES = { 62: 'x64', 183: 'arm64' }
const SECTION = { symtab: 2, dynamic: 6, verneed: 0x6ffffffe }
const TAG = { needed: 1, init: 12, rpath: 15, runpath: 29 }

/**
 * @typedef {object} Library
 * @property {string} arch            'x64' or 'arm64', as Node calls them
 * @property {string[]} needed        names of libraries
 * @property {string[]} searchPaths   RPATH and RUNPATH
 * @property {Record<string, string[]>} versions   by library, those of its symbols: {'libc.so.6': ['GLIBC_2.14', ...]}
 * @property {boolean} stripped       whether it has no table of symbols left
 * @property {number} [initOffset]    where in the file its code of initialisation stands
 */

/** @returns {Library} */
export function readElf(bytes) {
  const magic = bytes.subarray(0, 6).toString('latin1')
  if (magic !== '\x7fELF\x02\x01') throw new Error('expected a 64-bit little-endian ELF file')
  const arch = MACHINES[bytes.readUInt16LE(18)]
  if (!arch)
    throw new Error(`expected a library for x64 or arm64, received machine ${bytes.readUInt16LE(18)}`)
  const sections = readSections(bytes)
  const dynamic = sections.find(({ type }) => type === SECTION.dynamic)
  const entries = readDynamic(bytes, dynamic)
  const text = (offset) => textAt(bytes, sections[dynamic.link].offset + offset)
  const named = (...tags) => entries.filter(({ tag }) => tags.includes(tag)).map(({ value }) => text(value))
  const init = entries.find(({ tag }) => tag === TAG.init)
  return {
    arch,
    needed: named(TAG.needed),
    searchPaths: named(TAG.rpath, TAG.runpath),
    versions: readVersions(bytes, sections),
    stripped: !sections.some(({ type }) => type === SECTION.symtab),
    ...(init && { initOffset: fileOffset(sections, init.value) }),
  }
}

/** The newest of one family of versions that any library is asked for: `newest(library, 'GLIBC')` is '2.34'. */
export function newest({ versions }, family) {
  const numbers = Object.values(versions)
    .flat()
    .map((version) => new RegExp(`^${family}_([\\d.]+)$`).exec(version)?.[1])
    .filter(Boolean)
  return numbers.sort(byNumbers).at(-1)
}

function byNumbers(a, b) {
  return a.localeCompare(b, 'en', { numeric: true })
}

function readSections(bytes) {
  const start = Number(bytes.readBigUInt64LE(40))
  const [size, count] = [bytes.readUInt16LE(58), bytes.readUInt16LE(60)]
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * size
    return {
      type: bytes.readUInt32LE(at + 4),
      address: Number(bytes.readBigUInt64LE(at + 16)),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
      info: bytes.readUInt32LE(at + 44),
    }
  })
}

function readDynamic(bytes, { offset, size }) {
  return Array.from({ length: size / 16 }, (_, i) => ({
    tag: Number(bytes.readBigInt64LE(offset + 16 * i)),
    value: Number(bytes.readBigUInt64LE(offset + 16 * i + 8)),
  }))
}

// Verneed: a chain of libraries, each with a chain of versions; distances are from the record itself.
function readVersions(bytes, sections) {
  const section = sections.find(({ type }) => type === SECTION.verneed)
  const versions = {}
  if (!section) return versions
  const text = (offset) => textAt(bytes, sections[section.link].offset + offset)
  let at = section.offset
  for (let library = 0; library < section.info; library++) {
    const name = text(bytes.readUInt32LE(at + 4))
    versions[name] = []
    let version = at + bytes.readUInt32LE(at + 8)
    for (let i = 0; i < bytes.readUInt16LE(at + 2); i++) {
      versions[name].push(text(bytes.readUInt32LE(version + 8)))
      version += bytes.readUInt32LE(version + 12)
    }
    versions[name].sort(byNumbers)
    at += bytes.readUInt32LE(at + 12)
  }
  return versions
}

function fileOffset(sections, address) {
  const within = sections.find((one) => address >= one.address && address < one.address + one.size)
  return within.offset + address - within.address
}

function textAt(bytes, start) {
  return bytes.toString('latin1', start, bytes.indexOf(0, start))
}
