/**
 * Traditional or Simplified Chinese, by characters. Two old standards drew the line: GB 2312 (1980) lists what China
 * writes, Big5 (1984) what Taiwan writes. A character of one alone tells; what both have (人, 台, 里) tells nothing.
 */

export type ChineseScript = 'Hans' | 'Hant'

type Span = readonly [from: number, to: number]

/** Han characters by the bytes that they had: rows, and cells in each. Extensions of later years are outside. */
const GB_2312 = { label: 'gbk', rows: [[0xb0, 0xf7]], cells: [[0xa1, 0xfe]] } as const
const BIG5 = {
  label: 'big5',
  rows: [
    [0xa4, 0xc6],
    [0xc9, 0xf9],
  ],
  cells: [
    [0x40, 0x7e],
    [0xa1, 0xfe],
  ],
} as const

interface OldStandard {
  label: string
  rows: readonly Span[]
  cells: readonly Span[]
}

/** Which script a text is written in; undefined where no character tells, or as many for one as for the other. */
export function chineseScript(text: string): ChineseScript | undefined {
  const { hans, hant } = tellingCharacters(text)
  return hans === hant ? undefined : hans > hant ? 'Hans' : 'Hant'
}

/** How many characters of a text are of one script alone. */
export function tellingCharacters(text: string): { hans: number; hant: number } {
  const scripts = scriptsOfCharacters()
  const counts = { hans: 0, hant: 0 }
  for (const character of text) {
    const script = scripts.get(character)
    if (script === 'Hans') counts.hans++
    else if (script === 'Hant') counts.hant++
  }
  return counts
}

let scripts: ReadonlyMap<string, ChineseScript> | undefined

/** The characters that tell: some 2,400 of Simplified and 8,700 of Traditional Chinese. */
export function scriptsOfCharacters(): ReadonlyMap<string, ChineseScript> {
  scripts ??= makeScripts()
  return scripts
}

function makeScripts(): Map<string, ChineseScript> {
  const simplified = charactersOf(GB_2312)
  const traditional = charactersOf(BIG5)
  const map = new Map<string, ChineseScript>()
  for (const character of simplified) if (!traditional.has(character)) map.set(character, 'Hans')
  for (const character of traditional) if (!simplified.has(character)) map.set(character, 'Hant')
  return map
}

function charactersOf({ label, rows, cells }: OldStandard): Set<string> {
  const decoder = new TextDecoder(label)
  const characters = new Set<string>()
  for (const row of numbers(rows))
    for (const cell of numbers(cells)) {
      const text = decoder.decode(Uint8Array.of(row, cell))
      if (/^\p{Script=Han}$/u.test(text)) characters.add(text)
    }
  return characters
}

const numbers = (spans: readonly Span[]) =>
  spans.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
