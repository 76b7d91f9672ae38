// Takes the folders of the machine that built it out of a binary. Checks of libtorch and of ours name the file that they
// stand in, by the path that the compiler was given: text for a message, and nothing ever opens it.
//
// The folder is overwritten in place, with as many characters: nothing moves, whatever points into the text stays right.
// `/build/machine/torch/include/c10/x.h` becomes `.////////////////////include/c10/x.h`, still a path. Compiling with
// -fmacro-prefix-map would do the same, and have every clone compile everything anew where libtorch moves.
import { readFileSync, writeFileSync } from 'node:fs'

/** Absolute paths of sources: the folder, up to what is the same on every machine. */
const SOURCE =
  /\/(?:[\w.@+~-]+\/){1,40}(?=(?:include\/(?:ATen|c10|torch)|native\/\w+)\/(?:[\w.+-]+\/)*[\w.+-]+\.(?:h|hpp|cpp|cuh?)\b)/g

/** The folders of sources that a binary tells of, each once. */
export function toldFolders(bytes) {
  return [...new Set(bytes.toString('latin1').match(SOURCE) ?? [])]
}

/** Overwrites those folders in a file; answers with them. */
export function hidePaths(file) {
  const bytes = readFileSync(file)
  for (const { 0: folder, index } of bytes.toString('latin1').matchAll(SOURCE))
    bytes.write('.'.padEnd(folder.length, '/'), index, 'latin1')
  const told = toldFolders(readFileSync(file))
  if (told.length > 0) writeFileSync(file, bytes)
  return told
}
