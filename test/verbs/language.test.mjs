// Which language texts are in: by the detector that comes along, and by a model of fastText's.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadLanguageIdentifier } from 'tongueforge'
import { dataTest } from '../helpers/data.mjs'

const golden = fileURLToPath(new URL('../golden/fasttext/plain.bin', import.meta.url))

const SENTENCES = {
  en: 'The committee has not yet decided when the next meeting will take place.',
  de: 'Der Ausschuss hat noch nicht entschieden, wann die nächste Sitzung stattfindet.',
  fr: 'La commission n’a pas encore décidé quand aura lieu la prochaine réunion.',
  ru: 'Комитет ещё не решил, когда состоится следующее заседание.',
  ja: '次の会議をいつ開くか、委員会はまだ決めていません。',
  ko: '위원회는 다음 회의를 언제 열지 아직 결정하지 않았습니다.',
  ar: 'لم تقرر اللجنة بعد موعد الاجتماع القادم.',
  th: 'คณะกรรมการยังไม่ได้ตัดสินใจว่าจะจัดการประชุมครั้งต่อไปเมื่อใด',
  'zh-Hans': '委员会还没有决定下次会议什么时候举行。',
  'zh-Hant': '委員會還沒有決定下次會議什麼時候舉行。',
}

test('sentences have their language, and Chinese its script', async () => {
  const identifier = await loadLanguageIdentifier()
  const found = await identifier.identify(Object.values(SENTENCES))
  assert.deepEqual(
    found.map(({ language }) => language),
    Object.keys(SENTENCES),
  )
  for (const { score } of found) assert.ok(score > 0 && score <= 1)
  assert.deepEqual(found.map(({ script }) => script).slice(0, 5), ['Latn', 'Latn', 'Latn', 'Cyrl', 'Jpan'])
  await identifier.dispose()
})

test('texts without letters have no language', async () => {
  const identifier = await loadLanguageIdentifier()
  assert.deepEqual(
    await identifier.identify(['', ' \n', '123 + 4', '🙂']),
    Array(4).fill({ language: 'und', script: 'Zyyy', score: 0 }),
  )
  assert.deepEqual(await identifier.identify([]), [])
})

test('many texts keep their order', async () => {
  const identifier = await loadLanguageIdentifier()
  const names = Object.keys(SENTENCES)
  const texts = Array.from({ length: 300 }, (_, i) => SENTENCES[names[(i * 7) % names.length]])
  const found = await identifier.identify(texts)
  found.forEach(({ language }, i) => void assert.equal(language, names[(i * 7) % names.length]))
})

test('a model of fastText answers in its place', async () => {
  const identifier = await loadLanguageIdentifier({ model: golden })
  assert.deepEqual([...identifier.languages].sort(), ['l0', 'l1', 'l2', 'l3', 'l4'])
  const expected = JSON.parse(
    readFileSync(new URL('../golden/fasttext/expected.json', import.meta.url), 'utf8'),
  )
  const { texts } = expected.find(({ file }) => file === 'plain.bin')
  const known = texts.slice(0, 4)
  // Line breaks are blanks: fastText itself takes one line.
  const found = await identifier.identify(known.map(({ text }) => text.replace(' ', '\n')))
  for (const [i, { labels }] of known.entries()) {
    assert.equal(`__label__${found[i].language}`, labels[0][0])
    assert.ok(Math.abs(found[i].score - labels[0][1]) < 1e-5)
  }
  await identifier.dispose()
  await assert.rejects(identifier.identify(['a']), { code: 'ERR_DISPOSED', message: /language identifier/ })
})

test('a model that would guess at digits is not asked', async () => {
  const identifier = await loadLanguageIdentifier({ model: golden })
  assert.deepEqual(await identifier.identify(['123']), [{ language: 'und', script: 'Zyyy', score: 0 }])
  await identifier.dispose()
})

test('an abort does not wait for texts that are being looked at', async () => {
  const identifier = await loadLanguageIdentifier()
  const stop = new AbortController()
  const running = identifier.identify([SENTENCES.en], { signal: stop.signal })
  stop.abort(new Error('enough'))
  await assert.rejects(running, /enough/)
})

test('a file that is no model is refused with what to do', async () => {
  const error = await loadLanguageIdentifier({ model: fileURLToPath(import.meta.url) }).catch(
    (thrown) => thrown,
  )
  assert.equal(error.code, 'ERR_FASTTEXT')
  assert.match(error.message, /language\.test\.mjs, offset 0: expected a model of fastText/)
  assert.match(error.hint, /lid\.176/)
})

for (const model of [undefined, golden])
  test(`an abort rejects with its reason, ${model ? 'with a model' : 'with the detector'}`, async () => {
    const identifier = await loadLanguageIdentifier({ model })
    const stop = new AbortController()
    const texts = Array(20_000).fill(SENTENCES.en)
    const running = identifier.identify(texts, { signal: stop.signal })
    setTimeout(() => stop.abort(new Error('enough')), 5)
    await assert.rejects(running, /enough/)
    assert.equal((await identifier.identify([SENTENCES.de])).length, 1)
    await identifier.dispose()
  })

// Codes of the declaration whose language the detector knows, and what it calls them where that is not the first part.
const CALLED = {
  cmn: 'zh',
  arb: 'ar',
  azj: 'az',
  ell: 'el',
  nob: 'no',
  pes: 'fa',
  srp: 'sr',
  als: 'sq',
  tgl: 'tl',
  lav: 'lv',
}
const KNOWN =
  'amh arb azj_latn bel ben bul cat ces cmn_hans cmn_hant dan deu ell_monotonic eng est eus fin fra guj heb hin hrv hun hye isl ita jpn kan kat kor lao lav lit mal mar nld nob pan pes_1 pol por_BR por_PT ron rus slk slv spa als srp_cyrl swe tam tgl tha tur ukr urd vie yor'.split(
    ' ',
  )
const SCRIPTS = { cmn_hans: 'zh-Hans', cmn_hant: 'zh-Hant' }
const LONG = 80

function expectedOf(code) {
  const [name] = code.split('_')
  return SCRIPTS[code] ?? CALLED[name] ?? new Intl.Locale(name).language
}

dataTest('paragraphs of the declaration of human rights', 'corpus/udhr_all_langs.jsonl', async (t, path) => {
  const rows = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ lang }) => KNOWN.includes(lang))
  const identifier = await loadLanguageIdentifier()
  const found = await identifier.identify(rows.map(({ text }) => text))
  const tally = new Map(KNOWN.map((code) => [code, { right: 0, all: 0, longRight: 0, long: 0 }]))
  for (const [i, { lang, text }] of rows.entries()) {
    const one = tally.get(lang)
    const right = found[i].language === expectedOf(lang) ? 1 : 0
    const isLong = [...text].length >= LONG ? 1 : 0
    one.right += right
    one.all += 1
    one.longRight += right * isLong
    one.long += isLong
  }
  const sum = (key) => [...tally.values()].reduce((total, one) => total + one[key], 0)
  for (const [code, one] of tally)
    t.diagnostic(
      `${code} ${one.right}/${one.all}, of ${LONG} characters or more ${one.longRight}/${one.long}`,
    )
  t.diagnostic(
    `all ${sum('right')}/${sum('all')}, of ${LONG} characters or more ${sum('longRight')}/${sum('long')}`,
  )
  assert.ok(sum('right') / sum('all') > 0.9)
  assert.ok(sum('longRight') / sum('long') > 0.99)
})
