/** Patterns over names of parameters or layers. */
import { closest } from 'fastest-levenshtein'
import { TongueforgeError } from '../errors'

const MAX_SHOWN = 3

/**
 * The names that at least one pattern matches as a whole, in their own order; `*` stands for any text. With `suffixes`,
 * a pattern without `*` also matches the last parts of a name: q_proj, self_attn.q_proj.
 * Throws ERR_CONFIG for a pattern that matches nothing, with the nearest names.
 */
export function matchNames(
  patterns: readonly string[],
  names: readonly string[],
  { key, suffixes = false }: { key: string; suffixes?: boolean },
): string[] {
  const tests = patterns.map((pattern, i) => {
    const test = matcher(pattern, suffixes)
    if (!names.some(test))
      throw matchesNothing(pattern, suffixes ? ends(names, pattern) : names, `${key}.${i}`)
    return test
  })
  return names.filter((name) => tests.some((test) => test(name)))
}

/** Whether a pattern fits a name. */
export function matcher(pattern: string, suffixes = false): (name: string) => boolean {
  if (!pattern.includes('*')) return (name) => name === pattern || (suffixes && name.endsWith(`.${pattern}`))
  // Pieces in order, each as early as possible: no pattern can take long.
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()!
  return (name) => {
    if (!name.startsWith(first)) return false
    let at = first.length
    for (const piece of rest) {
      const found = name.indexOf(piece, at)
      if (found < 0) return false
      at = found + piece.length
    }
    return name.length - last.length >= at && name.endsWith(last)
  }
}

/** As many parts from the end of each name as the pattern has. */
function ends(names: readonly string[], pattern: string): string[] {
  const count = pattern.split('.').length
  return [...new Set(names.map((name) => name.split('.').slice(-count).join('.')))]
}

function matchesNothing(pattern: string, names: readonly string[], key: string): TongueforgeError {
  const near = nearest(pattern, names)
  return new TongueforgeError('ERR_CONFIG', `${key}: '${pattern}' matches nothing in the model`, {
    hint: `The nearest names: ${near.join(', ')}`,
    details: { key, pattern, nearest: near },
  })
}

// Layers are alike: of each kind of name one is shown.
function nearest(pattern: string, names: readonly string[]): string[] {
  const left = [...new Set(names.map((name) => name.replace(/\.\d+\./, '.*.')))]
  const found: string[] = []
  while (found.length < MAX_SHOWN && left.length > 0) {
    const next = closest(pattern, left)
    left.splice(left.indexOf(next), 1)
    found.push(next)
  }
  return found
}
