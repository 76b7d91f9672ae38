// One page from the folders of runs: what is on it, what is beside it, what it is not made of. No browser: test/browser.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { report } from 'tongueforge'
import { KINDS } from '#lib/verbs/reporting/kinds'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reportRuns, writeRuns } from '../helpers/report_runs.mjs'

const folder = temporaryFolder()
const runs = writeRuns(join(folder, 'runs'))
const run = (name) => join(folder, 'runs', name)
const out = join(folder, 'out', 'report.html')
const result = await report(runs, { out })
const html = readFileSync(out, 'utf8')
const name = (ending) => result.files.find((file) => file.endsWith(ending))
const beside = (name) => readFileSync(join(result.files_folder, name), 'utf8')

test('a report tells of every kind of run, and each is told as its own kind', () => {
  assert.deepEqual(new Set(result.runs.map(({ kind }) => kind)), new Set(Object.keys(KINDS)))
  for (const { name, sentence, figures } of result.runs) {
    assert.ok(sentence.length > 10 && figures.length <= 4, name)
    assert.ok(html.includes(`>${name}</h2>`), name)
    for (const { text } of figures) assert.ok(html.includes(text), `${name}: ${text}`)
  }
  const inscp = result.runs.find(({ name }) => name === 'inscp')
  assert.deepEqual(inscp.figures[0], {
    name: 'held-out loss',
    value: 3.35,
    text: '3.350',
    note: 'from 6.200',
  })
})

test('a run that has not come to its end is shown so far, and said to be unfinished', () => {
  const stopped = result.runs.find(({ name }) => name === 'stopped')
  assert.deepEqual([stopped.finished, stopped.done], [false, '24 of 60 updates'])
  assert.match(html, /Not finished: 24 of 60 updates/)
  assert.ok(result.files.includes('2-stopped-loss.svg'))
  assert.equal(result.runs.filter(({ finished }) => !finished).length, 1)
})

test('unfinished runs of the other verbs are shown too, from their lines or from nothing', async () => {
  const files = reportRuns()
  const points = files['landscape/report.json'].points
  const place = temporaryFolder({
    'landscape/resolved.yaml': files['landscape/resolved.yaml'],
    'landscape/metrics.jsonl': points
      .slice(0, 3)
      .map((point) => `${JSON.stringify(point)}\n`)
      .join(''),
    'empty/resolved.yaml': files['landscape/resolved.yaml'],
    'sweep/resolved.yaml': files['sweep/resolved.yaml'],
    'compress/resolved.yaml': files['compress/resolved.yaml'],
    'compress/metrics.jsonl': `${JSON.stringify(files['compress/report.json'].stages[0])}\n`,
    'scores/resolved.yaml': files['scores/resolved.yaml'],
    'scores/results.jsonl': `${JSON.stringify({ model: 'a', task: 't', num_fewshot: 0, documents: 1, metrics: { acc: { value: 1, stderr: null } } })}\n`,
    'clusters/resolved.yaml': files['clusters/resolved.yaml'],
    'probe/resolved.yaml': files['probe/resolved.yaml'],
    'adapt/resolved.yaml': files['adapt/resolved.yaml'],
    'adapt/stages.jsonl': `${JSON.stringify(files['adapt/report.json'].stages[0])}\n`,
  })
  const names = ['landscape', 'empty', 'sweep', 'compress', 'scores', 'clusters', 'probe', 'adapt']
  const all = await report(
    names.map((name) => join(place, name)),
    { out: join(place, 'r.html') },
  )
  assert.deepEqual(
    all.runs.map(({ done }) => done),
    [
      '3 points measured',
      'nothing measured',
      '0 points measured',
      '0 records of 2 stages',
      '1 number so far',
      'no report yet',
      'no report yet',
      '1 stage done',
    ],
  )
})

test('runs of one kind stand side by side before each alone', () => {
  assert.match(html, /Training: 2 runs side by side/)
  assert.match(beside('trainings.csv'), /^run,objective,model,updates.*\r\ninscp,inscp,zh,60,60,/)
  assert.ok(result.files.includes('trainings-training.svg'))
})

test('tables of an evaluation are laid out as in the papers: models by rows, parts of a group left out', () => {
  const knowledge = result.files.find((name) => name.endsWith('scores-knowledge.csv'))
  assert.deepEqual(beside(knowledge).split('\r\n'), [
    'model,task_0,task_1',
    'before,0.4,0.52',
    'zh,0.45,0.57',
    '',
  ])
  assert.match(html, /<th scope="col">mmlu, acc<\/th><th scope="col">arc_<wbr>easy, acc_<wbr>norm<\/th>/)
  assert.match(html, /<strong>57\.0<\/strong>/)
  assert.ok(result.files.some((name) => name.endsWith('scores-differences.svg')))
})

test('answers of an evaluation: their languages by expected one, parts with mean and deviation, and side by side', () => {
  const file = (end) => beside(result.files.find((name) => name.endsWith(`scores-${end}`))).split('\r\n')
  assert.deepEqual(file('languages-1.csv').slice(0, 2), [
    'model,expected,answers,language_0,language_1,language_2,language_3,language_4,others',
    'before,zh-Hant,100,0.8,0.1,0.04,0.02,0.01,0.03',
  ])
  assert.deepEqual(
    file('parts-1.csv').map((line) => line.split(',').slice(0, 4).join()),
    ['model,part_0,part_1,mean', 'before,0.5,0.625,0.5625', 'zh,0.75,0.875,0.8125', ''],
  )
  const deviation = Number(file('parts-1.csv')[1].split(',')[4])
  assert.ok(Math.abs(deviation - 0.125 / Math.SQRT2) < 1e-12)
  assert.deepEqual(file('answers-1.csv').slice(0, 5), [
    'prompt,from,text,note',
    'Tell me of zh,before,It is zh.,',
    'Tell me of zh,zh,It is zh.,',
    'And more?,before,No more,cut off',
    'And more?,zh,No more,cut off',
  ])
})

test('an adaptation tells its arms, the rule, languages and words of the answers of each, and of its stages what each tells alone', () => {
  const { name, sentence, figures } = result.runs.find(({ kind }) => kind === 'adapt')
  assert.equal(
    sentence,
    'zh learns Chinese (Traditional) (zh-Hant): 2 arms tried. inscp is picked.',
    'in the words of the reader',
  )
  assert.deepEqual(figures[0], {
    name: 'texts, byte_perplexity',
    value: 2.6,
    text: '2.6',
    note: 'from 2.7',
  })
  const file = (end) => result.files.find((one) => one.endsWith(`-${name}-${end}`))
  assert.match(beside(file('arms.csv')), /\r\ninscp,zh,0\.5,-2\.6,picked\r\ncp,zh,,,left for later\r\n$/)
  const said = beside(file('answers-1.csv')).split('\r\n')
  assert.deepEqual(
    said.slice(1, 4),
    ['start', 'inscp', 'compressed'].map((model) => `zh,${model},zh,cut off`),
  )
  assert.equal(said[4], 'zh,start, ,says nothing')
  const languages = beside(file('languages-1.csv')).split('\r\n')
  assert.match(languages[0], /^model,expected,answers,/)
  assert.equal(languages.length, 5, 'a row a model')
  for (const end of ['texts.csv', 'trainings.csv', 'stage-0-perplexity.svg', '0-chat-inscp-loss.svg'])
    assert.ok(file(end), end)
  assert.ok(file('1-compress-sizes.svg'))
  assert.match(html, /The rule: least texts\/byte_perplexity\. What came of it: inscp, for zh\./)
})

test("a judge's scores stand as they are, by turn and category, and answers with its words folded", () => {
  assert.match(beside(name('scores-instructions.csv')), /^model,task_0\r\nbefore,4\.1\r\n/)
  assert.match(html, />4\.10</)
  assert.match(html, />1\.00</, 'a score of 1 is no share')
  const word = result.runs
    .find((one) => one.name === 'scores')
    .sentence.split(', ')[1]
    .split(' on ')[0]
  assert.match(
    beside(name('scores-mt-bench.csv')),
    /^model,score,score_turn_1,score_turn_2,score_writing,score_math\r\nbefore,4\.1,5,3\.2,4,1\r\n/,
  )
  for (const ending of ['scores-mt-bench-categories.svg', 'scores-score-differences.svg'])
    assert.ok(name(ending))
  assert.match(html, /was judged by [^;]+; scores of other judges do not compare\. .*left out: 3 of before\./)
  const rows = beside(name('scores-mt-bench-answers.csv')).split('\r\n')
  assert.equal(rows[0], 'prompt,from,text,note,what the judge says')
  const begins = ['ask 0,before', 'ask 0 again,before', 'ask 2,before', 'ask 2 again,before', 'ask 1,before']
  for (const [i, begin] of begins.entries()) assert.ok(rows[i + 1].startsWith(begin), rows[i + 1])
  assert.ok(rows[1].endsWith(`,7.5 of 10,${word} is fine`), rows[1])
  assert.ok(rows[2].endsWith(`,unrated,${word} is fine`), rows[2])
  assert.doesNotMatch(html, /not told: /, 'judgments of earlier prompts')
  assert.match(html, /<small>7\.5 of 10<\/small><\/h4>.*<details><summary>what the judge says<\/summary>/)
})

test('charts lie beside the page as SVG that stands alone, numbers as CSV, all of it as JSON', () => {
  assert.deepEqual(readdirSync(result.files_folder).sort(), [...result.files, 'report.json'].sort())
  assert.equal(new Set(result.files).size, result.files.length)
  for (const name of result.files.filter((file) => file.endsWith('.svg'))) {
    const svg = beside(name)
    assert.match(svg, /^<svg style="background: #fff" role="graphics-document" aria-label=/, name)
    assert.doesNotMatch(svg, /"currentColor"|"var\(/, name)
  }
  const { page: _, files_folder: __, ...content } = result
  assert.deepEqual(JSON.parse(beside('report.json')), content)
})

test('the page needs nothing: no script, no address but of its own parts and of names in SVG', () => {
  assert.match(html, /<meta http-equiv="Content-Security-Policy" content="default-src 'none';/)
  assert.doesNotMatch(html, /<(script|link|img|iframe|object)\b|@import|url\((?!#)/i)
  const addresses = [...html.matchAll(/\b(?:href|src)="([^"]*)"/g)].map(([, address]) => address)
  for (const address of addresses)
    assert.match(address, /^(#run-\d+|data:(image\/svg\+xml|text\/csv|application\/json);base64,)/)
})

test('equal folders give equal bytes', async () => {
  const again = join(folder, 'again', 'report.html')
  const second = await report(runs, { out: again })
  assert.equal(readFileSync(again, 'utf8'), html)
  for (const name of [...result.files, 'report.json'])
    assert.equal(readFileSync(join(second.files_folder, name), 'utf8'), beside(name), name)
})

// Names of tags and attributes in their order: what a reader's browser would make of the text.
const bones = (text) =>
  [...text.matchAll(/<(\/?[a-z][\w-]*|!doctype)((?:\s+[\w:-]+(?:="[^"]*")?)*)\s*\/?>|</gi)].map(
    ([whole, tag, attributes]) =>
      tag === undefined
        ? `stray ${whole}`
        : `${tag} ${[...attributes.matchAll(/([\w:-]+)(?=="|\s|$)(?:="[^"]*")?/g)].map(([, name]) => name)}`,
  )

const FOREIGN = /^stray|^\/?(script|img|iframe)\b|onerror/

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'-alert(1)-'",
  '</style></title><h1>',
  '</pre></details>&lt;b&gt;',
  '$& $` $1 $$',
  'javascript:alert(1)',
  ']]><!--',
  '{{constructor}} ${1}',
  '=HYPERLINK("http://x")',
]

// Several to a page, as each takes a second to draw.
const EXAMPLES = [HOSTILE.slice(0, 5).join(' '), HOSTILE.slice(5, 9).join(' '), HOSTILE[9]]

test('whatever the files call things, no word of theirs becomes a tag, an attribute or an address', async () => {
  const words = fc.oneof(
    fc.constantFrom(...HOSTILE),
    fc
      .array(fc.constantFrom('<', '>', '"', "'", '&', '`', '$', '/', '\\', '=', 'a', ' ', '\u202e'), {
        minLength: 1,
        maxLength: 12,
      })
      .map((all) => all.join('')),
  )
  const seed = Number(process.env.SEED ?? Date.now() % 1e6)
  console.log(`seed ${seed}`)
  const boned = async (word) => {
    const place = join(folder, 'hostile')
    rmSync(place, { recursive: true, force: true })
    const { page, files, files_folder } = await report(writeRuns(place, reportRuns(word)), {
      out: join(place, 'r.html'),
      title: word,
    })
    const text = readFileSync(page, 'utf8')
    const pictures = files.filter((name) => name.endsWith('.svg'))
    return {
      ...{ page: bones(text), text },
      pictures: pictures.flatMap((name) => bones(readFileSync(join(files_folder, name), 'utf8'))),
      csv: files
        .filter((name) => name.endsWith('.csv'))
        .map((name) => readFileSync(join(files_folder, name), 'utf8')),
    }
  }
  const benign = await boned('word')
  assert.ok(benign.page.every((bone) => !bone.startsWith('stray')))
  await fc.assert(
    fc.asyncProperty(words, async (word) => {
      const { page, pictures, text, csv } = await boned(word)
      assert.deepEqual(
        page.filter((bone) => FOREIGN.test(bone)),
        [],
      )
      assert.deepEqual(new Set(page), new Set(benign.page))
      assert.deepEqual(
        pictures.filter((bone) => FOREIGN.test(bone)),
        [],
      )
      assert.doesNotMatch(text, /href="(?!#run-|data:(image|text|application)\/[\w+]+;base64,)/)
      for (const table of csv) assert.doesNotMatch(table, /(^|,|\n)"?[=@]/)
    }),
    { seed, numRuns: EXAMPLES.length + 2, examples: EXAMPLES.map((word) => [word]) },
  )
})

test('a folder that is no run is refused with what was looked for, and with runs that lie in it', async () => {
  const place = temporaryFolder({ 'notes.txt': 'a', 'deeper/x.txt': 'b' })
  await assert.rejects(report([place], { out: join(place, 'r.html') }), ({ code, message, hint }) => {
    assert.equal(code, 'ERR_DATA')
    assert.ok(
      message.startsWith(
        `${place}: expected a folder that tongueforge wrote, found deeper, notes.txt; looked for`,
      ),
      message,
    )
    for (const { looksFor } of Object.values(KINDS)) assert.ok(message.includes(looksFor), looksFor)
    assert.equal(hint, 'Give the folder that was the `out` of a run.')
    return true
  })
  await assert.rejects(report([join(folder, 'runs')], { out: join(place, 'r.html') }), ({ hint }) => {
    assert.match(hint, /^Runs lie in it: .*clusters .*sweep$/)
    return true
  })
  await assert.rejects(report([join(place, 'none')], { out: join(place, 'r.html') }), {
    code: 'ERR_NOT_FOUND',
  })
})

test('a damaged report is refused by file and key', async () => {
  const place = temporaryFolder({
    'r/resolved.yaml': 'objective: cp\nsteps: 3\n',
    'r/report.json': { objective: 'cp', steps: 'three' },
  })
  await assert.rejects(
    report([join(place, 'r')], { out: join(place, 'r.html') }),
    ({ code, message, hint }) => {
      assert.equal(code, 'ERR_DATA')
      assert.match(message, /r\/report\.json: steps: Invalid input: expected number, received string/)
      assert.match(hint, /Run again what wrote this folder/)
      return true
    },
  )
})

test('an earlier report is replaced when asked, and nothing else ever', async () => {
  const place = temporaryFolder()
  const page = join(place, 'r.html')
  const one = [run('clusters')]
  await report(one, { out: page })
  await assert.rejects(report(one, { out: page }), { code: 'ERR_EXISTS', hint: 'Use --overwrite.' })
  await report([run('sweep')], { out: page, overwrite: true })
  assert.ok(readdirSync(join(place, 'r_files')).every((name) => !name.includes('clusters')))
  assert.deepEqual(readdirSync(place).sort(), ['r.html', 'r_files'])
  rmSync(join(place, 'r_files'), { recursive: true })
  mkdirSync(join(place, 'r_files'))
  writeFileSync(join(place, 'r_files', 'mine.txt'), 'mine')
  await assert.rejects(report(one, { out: page, overwrite: true }), ({ code, hint }) => {
    assert.equal(code, 'ERR_EXISTS')
    assert.match(hint, /no folder of an earlier report/)
    return true
  })
  assert.deepEqual(readdirSync(join(place, 'r_files')), ['mine.txt'])
})

test('wrong calls are refused: another ending, no folder, one twice, a signal that has fired', async () => {
  const place = temporaryFolder()
  const page = join(place, 'r.html')
  const one = run('clusters')
  await assert.rejects(report([one], { out: join(place, 'r.pdf') }), {
    code: 'ERR_USAGE',
    hint: 'Say --out report.html.',
  })
  await assert.rejects(report([], { out: page }), { code: 'ERR_USAGE' })
  await assert.rejects(report([one, `${one}/.`], { out: page }), ({ code, message }) => {
    assert.equal(code, 'ERR_USAGE')
    assert.match(message, /expected each folder once, received it twice/)
    return true
  })
  const reason = new Error('enough')
  await assert.rejects(report([one], { out: page, signal: AbortSignal.abort(reason) }), reason)
  assert.deepEqual(readdirSync(place), [])
})

test('folders of one name are told apart by what is above them', async () => {
  const place = temporaryFolder()
  for (const name of ['a', 'b']) {
    writeRuns(join(place, name))
    renameSync(join(place, name, 'clusters'), join(place, name, 'same'))
  }
  const { runs: told } = await report([join(place, 'a/same'), join(place, 'b/same')], {
    out: join(place, 'r.html'),
  })
  assert.deepEqual(
    told.map(({ name }) => name),
    ['a/same', 'b/same'],
  )
})
