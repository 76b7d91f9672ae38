/** What labels call classes, and the numbers that stand for them. */
import { configError } from '../../config/parse'
import type { OneProbe } from '../../config/probe'
import { TongueforgeError } from '../../errors'
import type { Label } from './kind'
import { KINDS } from './kinds'

/** What stands first among the classes of a sequence. */
export const BLANK = ''

/**
 * By number, in the order of their names. Throws ERR_DATA where the test has a class that a training lacks (of places and
 * tokens a warning: rare ones happen); ERR_CONFIG where there is nothing to tell apart.
 */
export function classesOf(
  probe: OneProbe,
  trains: readonly Label[][],
  test: readonly Label[],
  onWarning: ((message: string) => void) | undefined,
): string[] {
  const { blanks, allowsUnseen } = KINDS[probe.kind]
  const judged = namesIn(test)
  for (const [i, train] of trains.entries()) {
    const learned = namesIn(train)
    const unseen = [...judged].filter((name) => !learned.has(name)).sort()
    if (unseen.length === 0) continue
    const where = trains.length > 1 ? `fold ${i + 1} of its training` : 'its training'
    if (!allowsUnseen) throw unseenClass(probe, unseen[0]!, where)
    onWarning?.(`${probe.name}: the test has ${unseen.join(', ')}, ${where} does not: these count as errors`)
  }
  const names = [...new Set([...trains.flatMap((train) => [...namesIn(train)]), ...judged])].sort()
  if (names.length + blanks < 2) throw nothingToTell(probe, names)
  return [...Array<string>(blanks).fill(BLANK), ...names]
}

/** -1 where there is no label. */
export function numbered(labels: readonly Label[], classes: readonly string[]): Int32Array[] {
  const numbers = new Map(classes.map((name, i) => [name, i]))
  return labels.map((label) => Int32Array.from(label, (name) => (name === null ? -1 : numbers.get(name)!)))
}

function namesIn(labels: readonly Label[]): Set<string> {
  const names = new Set<string>()
  for (const label of labels) for (const name of label) if (name !== null) names.add(name)
  return names
}

const unseenClass = ({ name, label }: OneProbe, unseen: string, where: string) =>
  new TongueforgeError(
    'ERR_DATA',
    `${name}: expected the ${label} ${unseen}, which the test has, in ${where} too, found none`,
    {
      hint: 'A probe can name only what it has learned: part the sound otherwise.',
      details: { probe: name, class: unseen },
    },
  )

const nothingToTell = ({ name, label }: OneProbe, names: readonly string[]) =>
  configError(
    'config',
    `probes: ${name}: expected at least two classes of ${label}, received ${names.join(', ')}`,
    {
      hint: 'Is it the right column?',
      key: 'probes',
    },
  )
