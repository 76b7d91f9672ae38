/** What JSON.parse lets pass and a strict reader refuses: a key twice, of which the last would win, and nesting without end. */

/** Far above any file of a model. */
const MAX_DEPTH = 200
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const [OPEN_LIST, CLOSE_LIST] = [0x5b, 0x5d]
const [OPEN_OBJECT, CLOSE_OBJECT] = [0x7b, 0x7d]

/** Looks through a text that JSON.parse has taken. Gives what is wrong with it and on which line, or nothing. */
export function jsonProblem(text: string): { line: number; problem: string } | undefined {
  /** Of each open object the keys so far; of each open list undefined. */
  const open: (Set<string> | undefined)[] = []
  let expectsKey = false
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
      case '[':
        if (open.length === MAX_DEPTH) return at_(text, at, `expected at most ${MAX_DEPTH} levels of nesting`)
        expectsKey = text[at] === '{'
        open.push(expectsKey ? new Set() : undefined)
        break
      case '}':
      case ']':
        open.pop()
        expectsKey = false
        break
      case ',':
        expectsKey = open.at(-1) !== undefined
        break
      case '"': {
        const end = endOfString(text, at)
        if (expectsKey) {
          const key: string = JSON.parse(text.slice(at, end + 1))
          const keys = open.at(-1)!
          // One of this name is dropped, however often it stands there.
          if (keys.has(key) && key !== '__proto__')
            return at_(
              text,
              at,
              `expected every key once, received ${JSON.stringify(key.slice(0, 80))} twice`,
            )
          keys.add(key)
          expectsKey = false
        }
        at = end
      }
    }
  }
  return undefined
}

/**
 * Whether a text, JSON or not, opens more lists and objects than so many inside each other, or has more keys in all: what
 * takes long to parse is found in a fraction of that time. Looks no further.
 */
export function isBeyond(
  text: string,
  { levels, keys }: { levels: number; keys: number },
): 'levels' | 'keys' | undefined {
  let open = 0
  let found = 0
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (character === QUOTE) {
      at = endOfString(text, at)
      if (at < 0) return undefined // a string without an end: no JSON
    } else if (character === OPEN_LIST || character === OPEN_OBJECT) {
      if (++open > levels) return 'levels'
    } else if (character === COLON) {
      if (++found > keys) return 'keys'
    } else if (character === CLOSE_LIST || character === CLOSE_OBJECT) open--
  }
  return undefined
}

function at_(text: string, at: number, problem: string) {
  let line = 1
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) line++
  return { line, problem }
}

/** Place of the quote that ends the string which begins here; -1 where none does. */
function endOfString(text: string, begin: number): number {
  for (let end = text.indexOf('"', begin + 1); ; end = text.indexOf('"', end + 1)) {
    if (end < 0) return end
    let before = end - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    if ((end - 1 - before) % 2 === 0 && text.charCodeAt(end) === QUOTE) return end
  }
}
