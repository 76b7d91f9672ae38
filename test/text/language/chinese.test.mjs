// Traditional and Simplified Chinese told apart by characters.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { chineseScript, scriptsOfCharacters, tellingCharacters } from '#lib/text/language/chinese'
import { scriptOf } from '#lib/text/language/script'
import { languageTag, withChineseScript } from '#lib/text/language/tag'
import { dataTest } from '../../helpers/data.mjs'

const lines = (path) => readFileSync(path, 'utf8').trim().split('\n')
const texts = (path, field = 'text') => lines(path).map((line) => JSON.parse(line)[field])

test('characters of one standard alone tell the script, those of both tell nothing', () => {
  assert.equal(chineseScript('我们说汉语'), 'Hans')
  assert.equal(chineseScript('我們說漢語'), 'Hant')
  assert.equal(chineseScript('人山人海，一心一意'), undefined)
  assert.equal(chineseScript('说說'), undefined)
  assert.equal(chineseScript('plain text, 123'), undefined)
  assert.deepEqual(tellingCharacters('这是汉字 and 漢字'), { hans: 2, hant: 1 })
})

test('the table has some thousand characters of each, and no character twice', () => {
  const counts = { Hans: 0, Hant: 0 }
  for (const [character, script] of scriptsOfCharacters()) {
    assert.match(character, /^\p{Script=Han}$/u)
    counts[script]++
  }
  assert.deepEqual(counts, { Hans: 2379, Hant: 8676 })
})

test('the script of a text is that of most of its letters', () => {
  const cases = {
    Latn: 'Über den Wolken, 2026',
    Cyrl: 'Привет, мир',
    Grek: 'Καλημέρα',
    Arab: 'مرحبا بالعالم',
    Hebr: 'שלום',
    Deva: 'नमस्ते दुनिया',
    Thai: 'สวัสดีชาวโลก',
    Kore: '대한민국(大韓民國)은 민주공화국이다',
    Jpan: '吾輩は猫である。名前はまだ無い。',
    Hans: '这是一个句子。OK',
    Hant: '這是一個句子。OK',
    Hani: '人山人海',
    Bopo: 'ㄅㄆㄇㄈ',
    Zyyy: '123 !? 🙂',
  }
  for (const [script, text] of Object.entries(cases)) assert.equal(scriptOf(text), script, text)
  assert.equal(scriptOf(''), 'Zyyy')
  assert.equal(
    scriptOf(
      '我喜歡看日本的動畫，特別是《ドラえもん》這部作品，從小看到大，百看不厭，你呢？要不要一起來看？還有其他的朋友也很喜歡這部作品，我們常常一起討論。',
    ),
    'Hant',
    'a name in kana',
  )
})

test('labels become names of languages in one spelling', () => {
  assert.equal(languageTag('__label__en'), 'en')
  assert.equal(languageTag('__label__zho_Hant'), 'zh-Hant')
  assert.equal(languageTag('__label__deu'), 'de')
  assert.equal(languageTag('__label__eng_Latn'), 'en-Latn')
  assert.equal(languageTag('__label__no language'), 'no language')
})

test('Chinese has the script of its characters, whatever a detector says; other languages are left alone', () => {
  assert.equal(withChineseScript('zh', '這是一個句子'), 'zh-Hant')
  assert.equal(withChineseScript('zh-Hant', '这是一个句子'), 'zh-Hans')
  assert.equal(withChineseScript('zh', '人山人海'), 'zh')
  assert.equal(withChineseScript('zh', 'pinyin'), 'zh')
  assert.equal(withChineseScript('ja', '這是'), 'ja')
})

// Of all texts that hold Han characters: [file, its texts, script, least share told right, most share told wrong].
const CORPORA = [
  ['corpus/zh_hant_wiki_drcd_dev.jsonl', texts, 'Hant', 1, 0],
  ['corpus/zh_hant_gsd_dev.txt', lines, 'Hant', 0.995, 0.002],
  ['corpus/zh_hant_tang_poems.jsonl', texts, 'Hant', 0.999, 0],
  ['corpus/zh_hans_zuozhuan.txt', lines, 'Hans', 0.93, 0.002],
  ['eval/xquad_zh.jsonl', (path) => texts(path, 'context'), 'Hans', 1, 0],
]

for (const [file, read, script, least, most] of CORPORA)
  dataTest(`${file} is ${script}`, file, (t, path) => {
    const all = read(path).filter((text) => /\p{Script=Han}/u.test(text))
    const found = all.map(chineseScript)
    const right = found.filter((one) => one === script).length
    const undecided = found.filter((one) => one === undefined).length
    const wrong = all.length - right - undecided
    t.diagnostic(`${all.length} texts: ${right} right, ${undecided} undecided, ${wrong} wrong`)
    assert.ok(right / all.length >= least && wrong / all.length <= most)
  })

dataTest(
  'no more than a few of the characters that OpenCC converts are taken for the other script',
  ['lexicon/opencc_STCharacters.txt', 'lexicon/opencc_TSCharacters.txt'],
  (t, [simplified, traditional]) => {
    const scripts = scriptsOfCharacters()
    for (const [path, own, other, least] of [
      [simplified, 'Hans', 'Hant', 0.55],
      [traditional, 'Hant', 'Hans', 0.85],
    ]) {
      const changed = lines(path)
        .map((line) => line.split('\t'))
        .filter(([from, to]) => to !== undefined && !to.split(' ').includes(from))
        .map(([from]) => scripts.get(from))
      const share = (script) => changed.filter((one) => one === script).length / changed.length
      t.diagnostic(
        `${changed.length} characters of ${own}: ${share(own).toFixed(3)} told, ${share(other).toFixed(4)} wrong`,
      )
      assert.ok(share(own) >= least && share(other) < 0.002)
    }
  },
)
