/** How many samples a FLAC file may hold: silence takes next to no bytes, and would fill the memory. */

/** Speech and music take a byte or two a sample. Samples of a channel: a quarter of an hour and more at 16 kHz in any case. */
export const mostSamples = (bytes: number): number => 2 ** 24 + 64 * bytes

export const tooMany = (most: number, bytes: number): string =>
  `expected at most ${most} samples in ${bytes} bytes, received more: nearly all of it is silence`
