/** WikiText-2 (Merity et al. 2016, arXiv 1609.07843): the perplexity of whole articles, put back into plain writing. */
import { SPACE } from '../text/python_text'
import { PERPLEXITIES } from './metrics'
import { textOf } from './records'
import type { RollingTask } from './task'

export const WIKITEXT: RollingTask = {
  kind: 'rolling',
  name: 'wikitext',
  version: '2.0',
  about: 'perplexity of articles of Wikipedia, by word and by byte',
  source: {
    folders: ['wikitext_document_level', 'wikitext'],
    config: 'wikitext-2-raw-v1',
    files: ['wikitext-2-raw-v1/wikitext-2-raw-v1-{split}'],
    columns: ['page'],
  },
  split: 'test',
  text: (doc) => plainWriting(textOf(doc, 'page')),
  // Words and bytes are those of the page as it stands in the file.
  counted: (doc) => textOf(doc, 'page'),
  perplexities: PERPLEXITIES,
}

/** Between two marks, without the blanks at its edges. */
const within = (open: string, not: string, close: string) =>
  new RegExp(`${open}[${SPACE}]*(${not}*?)[${SPACE}]*${close}`, 'g')

/** What the tokenisation of the data set is undone by, in this order. */
const STEPS: readonly [from: string | RegExp, to: string][] = [
  ["s '", "s'"],
  [/\/' [0-9]\//g, "/'[0-9]/"],
  [' @-@ ', '-'],
  [' @,@ ', ','],
  [' @.@ ', '.'],
  [' : ', ': '],
  [' ; ', '; '],
  [' . ', '. '],
  [' ! ', '! '],
  [' ? ', '? '],
  [' , ', ', '],
  [within('\\(', '[^)]', '\\)'), '($1)'],
  [within('\\[', '[^\\]]', '\\]'), '[$1]'],
  [within('\\{', '[^}]', '\\}'), '{$1}'],
  [within('"', '[^"]', '"'), '"$1"'],
  [within("'", "[^']", "'"), "'$1'"],
  ['= = = =', '===='],
  ['= = =', '==='],
  ['= =', '=='],
  [' ° ', '°'],
  [' \n', '\n'],
  ['\n ', '\n'],
  [' N ', ' 1 '],
  [" 's", "'s"],
]

export function plainWriting(page: string): string {
  return STEPS.reduce((text, [from, to]) => text.replaceAll(from, to), page)
}
