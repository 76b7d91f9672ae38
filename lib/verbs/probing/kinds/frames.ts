/** A class a place, from an alignment: phones. */
import { resolve } from 'node:path'
import { labelAt, readAlignment } from '../../../audio/alignment'
import { TongueforgeError } from '../../../errors'
import type { ProbeKind } from '../kind'
import { labelText } from '../label_text'

/** An alignment may end so much behind its sound: sizes are rounded, and recordings were cut. */
const SLACK_SECONDS = 0.1

export const frames: ProbeKind = {
  objective: 'class',
  pooled: false,
  blanks: 0,
  allowsUnseen: true,
  async read(found, { probe, frontEnd, folder, places }) {
    const file = resolve(folder, labelText(found, probe))
    const segments = await readAlignment(file)
    const end = segments.at(-1)?.end ?? 0
    if (end > found.seconds + SLACK_SECONDS) throw tooLong(file, end, found.path, found.seconds)
    const labels = Array.from({ length: places }, (_, t) => labelAt(segments, frontEnd.middleOf(t)) ?? null)
    if (labels.some((label) => label !== null)) return labels
    throw new TongueforgeError(
      'ERR_DATA',
      `${file}: expected a label for some place of ${found.path}, found none`,
      {
        hint: 'Begin and end are in seconds from the start of the sound.',
        details: { file },
      },
    )
  },
  score(targets, predictions) {
    let [right, places] = [0, 0]
    for (const [i, target] of targets.entries())
      for (let t = 0; t < target.length; t++) {
        if (target[t]! < 0) continue
        places++
        right += Number(predictions[i]![t] === target[t])
      }
    return { frame_accuracy: right / places, places }
  },
  shown: (numbers, names) => Array.from(numbers, (number) => (number < 0 ? null : names[number])),
}

const tooLong = (file: string, end: number, sound: string, seconds: number) =>
  new TongueforgeError(
    'ERR_DATA',
    `${file}: expected segments within the ${Number(seconds.toFixed(3))} s of ${sound}, received one that ends at ${Number(end.toFixed(3))} s`,
    { hint: 'Is it the alignment of another file?', details: { file } },
  )
