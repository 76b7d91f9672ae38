/**
 * Regular expressions that came with a tokenizer, judged before the library runs them. Its engine (Oniguruma) tries every
 * way to match, gives up after ten million, and takes the process with it: so only patterns are let through whose tries
 * grow with the length of the text, not with its square or its exponential. All that published tokenizers have are so.
 */

const MAX_LENGTH = 8192
const MAX_DEPTH = 20
/** Repetitions from which a bounded quantifier counts as unbounded. */
const MANY = 64

/** How the ways to match something grow with the text. */
interface Cost {
  /** Whether it can match texts of different lengths, and how far. */
  varies: 'no' | 'little' | 'much'
  /** Whether it may fail where it stands. */
  fails: boolean
  /** Alternatives within, at the same place. */
  branches: number
}

/** Why a pattern is not run; nothing where it may be. */
export function patternProblem(source: string): string | undefined {
  if (source.length > MAX_LENGTH) return `has ${source.length} characters, more than ${MAX_LENGTH}`
  try {
    new Reader(source).read()
    return undefined
  } catch (error) {
    if (error instanceof Costly) return error.message
    throw error
  }
}

class Costly extends Error {}

class Reader {
  private at = 0

  constructor(private readonly source: string) {}

  read(): void {
    this.alternatives(0)
    if (this.at < this.source.length) throw new Costly(`has a ")" too many at ${this.at}`)
  }

  /** Up to the closing bracket or the end. */
  private alternatives(depth: number): Cost {
    if (depth > MAX_DEPTH) throw new Costly(`has more than ${MAX_DEPTH} groups within each other`)
    const all = [this.sequence(depth)]
    while (this.source[this.at] === '|') {
      this.at++
      all.push(this.sequence(depth))
    }
    const much = all.some(({ varies }) => varies === 'much')
    return {
      varies: much ? 'much' : all.length > 1 || all[0]!.varies !== 'no' ? 'little' : 'no',
      fails: all.every(({ fails }) => fails),
      branches: all.reduce((sum, { branches }) => sum + branches, 0),
    }
  }

  private sequence(depth: number): Cost {
    const whole: Cost = { varies: 'no', fails: false, branches: 1 }
    let [much, little] = [0, 0]
    while (this.at < this.source.length && this.source[this.at] !== '|' && this.source[this.at] !== ')') {
      const begin = this.at
      const part = this.repeated(this.single(depth), begin)
      // Every way through the loops before is tried again when this one fails.
      if (part.fails && much > 1)
        throw new Costly(`can be matched in too many ways: several loops, then ${this.shown(begin)}`)
      if (part.varies === 'much') much++
      if (part.varies === 'little' && ++little > MANY)
        throw new Costly('has too many parts that may be left out')
      if (part.varies === 'much' || whole.varies === 'much') whole.varies = 'much'
      else if (part.varies === 'little') whole.varies = 'little'
      whole.fails ||= part.fails
      whole.branches = Math.min(whole.branches * part.branches, 1e9)
    }
    return whole
  }

  /** One character, class, escape or group. */
  private single(depth: number): Cost {
    const character = this.source[this.at]!
    if (character === '(') return this.group(depth)
    if (character === '[') return this.characterClass(depth)
    if (character === '\\') return this.escape()
    this.at += character >= '\ud800' && character < '\udc00' ? 2 : 1
    return ONE
  }

  private group(depth: number): Cost {
    this.at++
    const kind = /\?(?:[:=!>]|<[=!]|[a-zA-Z]*(?:-[a-zA-Z]+)?[:)]|<[A-Za-z_]\w*>|#)/y
    kind.lastIndex = this.at
    const prefix = this.source[this.at] === '?' ? kind.exec(this.source)?.[0] : ''
    if (prefix === undefined || prefix === '?#')
      throw new Costly(`has a kind of group that is not run: ${this.shown(this.at - 1)}`)
    this.at += prefix.length
    if (prefix.endsWith(')')) return { ...ONE, fails: false } // (?i)
    const inside = this.alternatives(depth + 1)
    if (this.source[this.at] !== ')') throw new Costly('has a "(" that is never closed')
    this.at++
    // What looks ahead or behind has one length, none, however it does.
    return /^\?<?[=!]$/.test(prefix) ? { varies: 'no', fails: true, branches: 1 } : inside
  }

  /** Classes may hold others, as the engine has it: [a-z&&[^b]]. */
  private characterClass(depth: number): Cost {
    if (depth > MAX_DEPTH) throw new Costly(`has more than ${MAX_DEPTH} classes within each other`)
    this.at++
    if (this.source[this.at] === '^') this.at++
    if (this.source[this.at] === ']') this.at++ // the first one is a character
    while (this.at < this.source.length && this.source[this.at] !== ']') {
      if (this.source[this.at] === '\\') this.at += 2
      else if (this.source.startsWith('[:', this.at)) this.at += 2
      else if (this.source[this.at] === '[') this.characterClass(depth + 1)
      else this.at++
    }
    if (this.at >= this.source.length) throw new Costly('has a "[" that is never closed')
    this.at++
    return ONE
  }

  private escape(): Cost {
    const next = this.source[this.at + 1]
    if (next === undefined) throw new Costly('ends in a backslash')
    if (/[1-9gkRXKNOyY]/.test(next))
      throw new Costly(`has ${this.source.slice(this.at, this.at + 2)}, which is not run`)
    const long = /\\(?:[pP]\{[^}]*\}|x\{[^}]*\}|[ux][0-9a-fA-F]+)/y
    long.lastIndex = this.at
    this.at += long.exec(this.source)?.[0].length ?? 2
    return /[bBAzZG]/.test(next) ? { varies: 'no', fails: true, branches: 1 } : ONE
  }

  /** A quantifier after it, where there is one: *, +, ?, {n,m}, each with ? or + behind. */
  private repeated(inner: Cost, begin: number): Cost {
    const quantifier = /([*+?]|\{(\d*)(,?)(\d*)\})([?+]?)/y
    quantifier.lastIndex = this.at
    const match = quantifier.exec(this.source)
    if (!match || match[1] === '{,}') return inner
    this.at = quantifier.lastIndex
    const { least, most } = bounds(match)
    if (/^(?:[*+?]|\{\d*,?\d*\})/.test(this.source.slice(this.at)))
      throw new Costly(`repeats a repetition: ${this.shown(begin)}`)
    const loops = most > 1
    if (
      loops &&
      (inner.varies !== 'no' || inner.branches > 1) &&
      most > 1 &&
      !(most <= 4 && inner.varies !== 'much')
    )
      throw new Costly(`repeats what has several lengths or alternatives: ${this.shown(begin)}`)
    if (least > MANY * MANY || (most !== Number.POSITIVE_INFINITY && most > MANY * MANY))
      throw new Costly(`repeats too often: ${this.shown(begin)}`)
    const varies =
      least === most ? inner.varies : most > MANY ? 'much' : inner.varies === 'much' ? 'much' : 'little'
    return { varies, fails: inner.fails && least > 0, branches: loops ? 1 : inner.branches }
  }

  private shown(begin: number): string {
    return JSON.stringify(this.source.slice(begin, Math.max(this.at, begin + 1)).slice(0, 40))
  }
}

const ONE: Cost = { varies: 'no', fails: true, branches: 1 }

function bounds([, sign, low, comma, high]: RegExpExecArray): { least: number; most: number } {
  if (sign === '*') return { least: 0, most: Number.POSITIVE_INFINITY }
  if (sign === '+') return { least: 1, most: Number.POSITIVE_INFINITY }
  if (sign === '?') return { least: 0, most: 1 }
  const least = Number(low || 0)
  return { least, most: comma === '' ? least : high === '' ? Number.POSITIVE_INFINITY : Number(high) }
}
