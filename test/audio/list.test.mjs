import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { listAudio } from '#lib/audio/list'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { glide, wav } from '../helpers/sounds.mjs'

const sound = (seconds = 0.5) => wav(glide({ seconds }))
const names = ({ utterances }) => utterances.map(({ name }) => name)

test('a folder is listed to its depth by name, with paths relative to it, and what is no sound is told', async () => {
  const folder = temporaryFolder({
    'b.wav': sound(),
    'a/z.WAV': sound(0.25),
    'notes.txt': 'x',
    '.h.wav': 'no',
  })
  const warnings = []
  const list = await listAudio([{ path: folder }], { onWarning: (text) => warnings.push(text) })
  assert.deepEqual(names(list), ['a/z.WAV', 'b.wav'])
  assert.equal(list.seconds, 0.75)
  assert.deepEqual(list.utterances[0], {
    ...{ name: 'a/z.WAV', path: join(folder, 'a/z.WAV'), source: 0, columns: {} },
    ...{ rate: 16000, channels: 1, samples: 4000, seconds: 0.25 },
  })
  assert.match(warnings.join(), /1 files of other kinds are left out/)
})

test('a pattern names from where it begins, a single file by its own name', async () => {
  const folder = temporaryFolder({ 'x/1_a.wav': sound(), 'x/2_a.wav': sound(), 'y/1_b.wav': sound() })
  assert.deepEqual(names(await listAudio([{ path: join(folder, '*/1_*.wav') }])), ['x/1_a.wav', 'y/1_b.wav'])
  assert.deepEqual(names(await listAudio([{ path: join(folder, 'x/*.wav') }])), ['1_a.wav', '2_a.wav'])
  assert.deepEqual(names(await listAudio([{ path: join(folder, 'x/2_a.wav') }])), ['2_a.wav'])
})

test('a manifest keeps its order and its other columns, and names files from where it lies', async () => {
  const folder = temporaryFolder({
    'wavs/b.wav': sound(),
    'wavs/a.wav': sound(),
    'm.csv': '\uFEFFfile,speaker,text\r\nwavs/b.wav,ann,"one, two"\r\nwavs/a.wav,ben,"say ""x"""\r\n',
    'm.tsv': 'audio\ttext\nwavs/a.wav\tsaid "so\n',
    'deep/m.jsonl': '{"path": "../wavs/a.wav", "label": 3}\n',
  })
  const list = await listAudio([{ path: join(folder, 'm.csv') }, { path: join(folder, 'deep/m.jsonl') }])
  assert.deepEqual(names(list), ['wavs/b.wav', 'wavs/a.wav', 'wavs/a.wav'])
  assert.deepEqual(
    list.utterances.map(({ columns, source }) => [source, { ...columns }]),
    [
      [0, { speaker: 'ann', text: 'one, two' }],
      [0, { speaker: 'ben', text: 'say "x"' }],
      [1, { label: 3 }],
    ],
  )
  const [row] = (await listAudio([{ path: join(folder, 'm.tsv') }])).utterances
  assert.deepEqual({ ...row.columns }, { text: 'said "so' })
})

test('of a manifest the rows are listed that where means, by value, list and range', async () => {
  const rows = [0, 1, 2, 3, 4].map((i) => `${i}.wav,${['ann', 'bob'][i % 2]},${i * 5}`)
  const folder = temporaryFolder({
    'list.csv': `path,speaker,take\n${rows.join('\n')}\nx.wav,cid,\n`,
    ...Object.fromEntries([...'01234x'].map((name) => [`${name}.wav`, sound(0.1)])),
  })
  const listed = async (where) =>
    names(await listAudio([{ path: join(folder, 'list.csv'), where }])).join(' ')
  assert.equal(await listed({ speaker: 'bob' }), '1.wav 3.wav')
  assert.equal(await listed({ take: 10 }), '2.wav')
  assert.equal(await listed({ take: [0, '20'] }), '0.wav 4.wav')
  assert.equal(await listed({ take: { from: 0, to: 10 } }), '0.wav 1.wav 2.wav')
  assert.equal(await listed({ take: { from: 5, to: 20 }, speaker: ['ann', 'cid'] }), '2.wav 4.wav')
  await assert.rejects(listed({ set: 1 }), {
    code: 'ERR_DATA',
    message: /0\.wav: expected the column set in its row of the manifest, found speaker, take/,
    hint: /where names columns/,
  })
  await assert.rejects(listed({ speaker: 'dan' }), { message: /none of 6/, hint: /Compare/ })
  const wrong = listAudio([{ path: folder, where: { take: 1 } }])
  await assert.rejects(wrong, { code: 'ERR_DATA', message: /where: expected a manifest/, hint: /\.csv/ })
})

test('of JSON rows a range means numbers alone, and a value what is no list', async () => {
  const cells = [null, true, [], [3], {}, ' ', '', 'three', 3, '3', ' 3.5 ', -1, 0]
  const rows = cells.map((take, i) => JSON.stringify({ path: `${i}.wav`, take }))
  const folder = temporaryFolder({
    'list.jsonl': rows.join('\n'),
    ...Object.fromEntries(cells.map((_, i) => [`${i}.wav`, sound(0.1)])),
  })
  const listed = async (take) => {
    const { utterances } = await listAudio([{ path: join(folder, 'list.jsonl'), where: { take } }])
    return utterances.map(({ columns }) => columns.take)
  }
  assert.deepEqual(await listed({ from: 0, to: 5 }), [3, '3', ' 3.5 ', 0])
  assert.deepEqual(await listed({ from: -5, to: 1 }), [-1, 0])
  assert.deepEqual(await listed(3), [3, '3'])
  assert.deepEqual(await listed([true, 'three']), [true, 'three'])
  await assert.rejects(listed('null'), { code: 'ERR_DATA', message: /none of 13/ })
  await assert.rejects(listAudio([{ path: join(folder, 'list.jsonl'), where: { toString: 1 } }]), {
    code: 'ERR_DATA',
    message: /expected the column toString in its row/,
  })
})

test('a manifest without the path, with a path twice or a broken row is refused with its line', async () => {
  const folder = temporaryFolder({
    'a.wav': sound(),
    'no.csv': 'name,text\na.wav,x\n',
    'twice.csv': 'path\na.wav\n./a.wav\n',
    'torn.csv': 'path,text\na.wav\n',
    'none.csv': 'path,text\n',
  })
  const list = (name, more) => listAudio([{ path: join(folder, name), ...more }])
  const told = (message) => ({ code: 'ERR_DATA', message })
  await assert.rejects(
    list('no.csv'),
    told(/no\.csv:2: expected .* under path, file, audio; found the columns name, text/),
  )
  assert.deepEqual(names(await list('no.csv', { column: 'name' })), ['a.wav'])
  await assert.rejects(
    list('twice.csv'),
    told(/twice\.csv:3: expected each file once, received \.\/a\.wav in line 2 too/),
  )
  await assert.rejects(list('torn.csv'), told(/torn\.csv:2: expected rows of a table/))
  await assert.rejects(list('none.csv'), told(/expected rows with sound files, found none/))
})

test('a row of a manifest that is not UTF-8 is refused with its line, or left out and counted', async () => {
  const table = Buffer.concat([
    Buffer.from('path,text\na.wav,grüß 你\n'),
    Buffer.from('b.wav,caf\xe9\n', 'latin1'),
    Buffer.from('c.wav,ok\n'),
  ])
  const folder = temporaryFolder({
    'm.csv': table,
    'm.tsv': Buffer.from(table.toString('latin1').replaceAll(',', '\t'), 'latin1'),
    ...{ 'a.wav': sound(), 'b.wav': sound(), 'c.wav': sound() },
  })
  for (const name of ['m.csv', 'm.tsv']) {
    const path = join(folder, name)
    await assert.rejects(listAudio([{ path }]), {
      code: 'ERR_DATA',
      message: /m\.[ct]sv:3: expected UTF-8 text, received bytes that are not/,
    })
    const list = await listAudio([{ path, invalid: 'skip', max_invalid: 1 }])
    assert.deepEqual([names(list), list.skipped], [['a.wav', 'c.wav'], 1])
    assert.equal(list.utterances[0].columns.text, 'grüß 你')
  }
})

test('a bad file stops the listing with one error that names it', async () => {
  const folder = temporaryFolder({
    'a.wav': sound(),
    'bad.wav': 'not a sound',
    'm.csv': 'path\na.wav\ngone.wav\n',
  })
  await assert.rejects(listAudio([{ path: folder }]), {
    code: 'ERR_AUDIO',
    message: /bad\.wav: expected a wav file/,
  })
  await assert.rejects(listAudio([{ path: join(folder, 'm.csv') }]), {
    code: 'ERR_NOT_FOUND',
    message: /gone\.wav/,
  })
  await assert.rejects(listAudio([{ path: join(folder, 'a.wav') }], { leastSeconds: 1 }), {
    code: 'ERR_AUDIO',
    message: /a\.wav: expected at least 1 s, received 0\.5 s/,
  })
  await assert.rejects(listAudio([{ path: join(folder, 'none') }]), {
    code: 'ERR_NOT_FOUND',
    message: /no such file/,
  })
})

test('with invalid: skip bad files are left out and counted, up to max_invalid', async () => {
  const folder = temporaryFolder({ 'a.wav': sound(), 'b.wav': sound(), 'bad.wav': 'not a sound' })
  const skipping = { path: folder, invalid: 'skip' }
  const list = await listAudio([{ ...skipping, max_invalid: 1 }])
  assert.deepEqual(names(list), ['a.wav', 'b.wav'])
  assert.equal(list.skipped, 1)
  assert.match(list.problems[0], /bad\.wav/)
  await assert.rejects(listAudio([{ ...skipping, max_invalid: 0.1 }]), {
    code: 'ERR_DATA',
    message: /1 of 3 files cannot be read, more than max_invalid allows; the first: .*bad\.wav/,
    hint: /raise max_invalid/,
  })
})

dataTest('the spoken digits are listed by folder, pattern and manifest', 'speech/fsdd', async (_, folder) => {
  const all = await listAudio([{ path: folder }])
  assert.equal(all.utterances.length, 1000)
  assert.ok(Math.abs(all.seconds - 427) < 1, `${all.seconds} s`)
  const training = await listAudio([{ path: join(folder, '*_{?,1[0-7]}.wav') }])
  assert.equal(training.utterances.length, 720)
  const manifest = await listAudio([{ path: join(folder, 'manifest.csv') }])
  assert.deepEqual(names(manifest).sort(), names(all).sort())
  assert.equal(manifest.utterances[0].columns.speaker, 'george')
})

test('a path for the list of sources is told apart', async () => {
  await assert.rejects(listAudio('recordings'), {
    code: 'ERR_USAGE',
    message: /expected a list of \{ path \}/,
  })
})

test('a signal that is aborted before ends it also where there is nothing to list', async () => {
  const reason = new Error('enough')
  await assert.rejects(listAudio([], { signal: AbortSignal.abort(reason) }), (error) => error === reason)
})
