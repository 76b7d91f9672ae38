// The corpus: malformed inputs of every format that this program reads, and well-formed ones that it must take. All are
// made here, at run time, from one seed.
//
// To add a case, add a row to the file of its format in formats/; to add a format, copy a neighbour there and name it
// below. A row is:
//   name      what is wrong with it, as a sentence goes on after "refused:"
//   files     {path: bytes | text | object as JSON}, written into an empty folder
//   prepare   (folder) => ..., for what is no plain file: links, pipes, holes
//   call      async (folder) => ..., the function of the library, or of the addon, that a user would call
//   code      the error expected, or several that will do; absent: the input is well-formed and is accepted
//   either    a damaged file that may still be a good one: taken, or refused as above
//   says      words that the message must have: the place, the key, what was received
//   file      the file that the message must name
//   large     the event loop is watched, too; as it is where a file has more than 100 kB
//   limits    what it may cost where that is more than runner.mjs allows, with the reason in a comment
// `npm test -- hostile` runs them; TONGUEFORGE_HOSTILE=WORD those whose name has a word, and then says what each one cost.
import * as formats from './formats/index.mjs'

/** All rows: { format, ...row }. */
export const corpus = () =>
  Object.entries(formats).flatMap(([format, rows]) => rows().map((row) => ({ format, ...row })))
