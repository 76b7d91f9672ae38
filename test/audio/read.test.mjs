import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { audioInfo, audioInfos, readAudio } from '#lib/audio/read'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { flac, glide, toInt16, wav } from '../helpers/sounds.mjs'

const folder = temporaryFolder()
const put = (name, bytes) => {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}
const whole = (samples) => Array.from(samples, toInt16)
const refused = (code, message, reason) => (error) => {
  assert.equal(error.code, code)
  assert.match(error.message, message)
  assert.equal(error.details.reason, reason)
  assert.ok(error.hint)
  return true
}

test('a wav file is read at its own rate, and its head tells how long it is', async () => {
  const file = put('a.wav', wav(glide({ rate: 8000 }), { rate: 8000 }))
  assert.deepEqual(await audioInfo(file), { rate: 8000, channels: 1, samples: 4000, seconds: 0.5 })
  const { samples, rate } = await readAudio(file)
  assert.equal(rate, 8000)
  assert.deepEqual(whole(samples), whole(glide({ rate: 8000 })))
})

test('a part of a file is that part of its samples', async () => {
  const sound = glide()
  for (const file of [put('b.wav', wav(sound)), put('b.flac', (await flac([whole(sound)])).bytes)]) {
    const { samples } = await readAudio(file, { first: 1000, count: 500 })
    assert.deepEqual(whole(samples), whole(sound.subarray(1000, 1500)))
    const beyond = readAudio(file, { first: 7999, count: 2 })
    await assert.rejects(beyond, {
      code: 'ERR_USAGE',
      message: /within 8000 samples, received 2 from 7999 on/,
    })
  }
})

test('a part that is none is refused in the same words, whatever the file', async () => {
  const sound = glide()
  for (const file of [put('p.wav', wav(sound)), put('p.flac', (await flac([whole(sound)])).bytes)]) {
    for (const key of ['first', 'count'])
      for (const value of [-1, 1.5, Number.NaN, Infinity, null, 'a', '5', true, [3], 2 ** 60, 5n])
        await assert.rejects(readAudio(file, { [key]: value }), (error) => {
          assert.equal(error.code, 'ERR_USAGE', `${key} ${String(value)}`)
          assert.match(
            error.message,
            new RegExp(`^readAudio: ${key}: expected a whole number from 0 to \\d+, received `),
          )
          assert.equal(error.details.option, `readAudio: ${key}`)
          return true
        })
    assert.equal((await readAudio(file, { first: undefined, count: undefined })).samples.length, 8000)
    assert.equal((await readAudio(file, { first: 8000, count: 0 })).samples.length, 0)
    await assert.rejects(readAudio(file, { first: 0, count: 2 ** 53 - 1 }), {
      code: 'ERR_USAGE',
      message: /within 8000 samples/,
    })
    await assert.rejects(readAudio(file, { first: 2 ** 53 - 1, count: 2 ** 53 - 1 }), { code: 'ERR_USAGE' })
  }
})

test('a FLAC file gives the samples that went in, bit for bit, whatever their size; channels are mixed down', async () => {
  for (const bits of [8, 16, 24]) {
    const left = Array.from(glide(), (value) => Math.round(value * 2 ** (bits - 1)) || 0)
    const right = left.map((value, i) => (i % 3 === 0 ? -value : Math.trunc(value / 2)) || 0)
    const mono = put('c.flac', (await flac([left], { bits })).bytes)
    const stereo = put('d.flac', (await flac([left, right], { bits, rate: 44100 })).bytes)
    const expected = left.map((value) => Math.fround(value / 2 ** (bits - 1)))
    assert.deepEqual(Array.from((await readAudio(mono)).samples), expected)
    const mixed = left.map((value, i) => Math.fround((value + right[i]) / 2 / 2 ** (bits - 1)))
    assert.deepEqual(Array.from((await readAudio(stereo)).samples), mixed)
    assert.deepEqual(await audioInfo(stereo), {
      rate: 44100,
      channels: 2,
      samples: 8000,
      seconds: 8000 / 44100,
    })
  }
})

test('a FLAC file of a sample size that the decoder does not scale is refused, from its head or when a frame has it', async () => {
  for (const bits of [12, 20]) {
    const { bytes } = await flac([[0, 5, -7, 100]], { bits })
    const file = put(`${bits}.flac`, bytes)
    for (const look of [audioInfo, readAudio])
      await assert.rejects(
        look(file),
        refused(
          'ERR_AUDIO',
          new RegExp(`expected FLAC of 8, 16, 24 or 32 bits a sample, received ${bits}$`),
          'codec',
        ),
      )
    // The head says 16 bits, the frames say another number.
    bytes.writeBigUInt64BE((bytes.readBigUInt64BE(18) & ~(31n << 36n)) | (15n << 36n), 18)
    await assert.rejects(
      readAudio(put(`${bits}-as-16.flac`, bytes)),
      refused(
        'ERR_AUDIO',
        /cannot be decoded as FLAC: expected finite samples, received (NaN|-?Infinity) at/,
        'not_decoded',
      ),
    )
  }
})

test('the thread that decodes FLAC keeps no process alive', async () => {
  const file = put('e.flac', (await flac([whole(glide())])).bytes)
  const program = `require('tongueforge').readAudio(${JSON.stringify(file)}).then(({ samples }) => console.log(samples.length))`
  const options = { cwd: clone, encoding: 'utf8', timeout: 60_000 }
  assert.equal(execFileSync(process.execPath, ['-e', program], options), '8000\n')
})

test('a damaged, cut or foreign FLAC file is refused by name', async () => {
  const { bytes } = await flac([whole(glide())])
  const flipped = Buffer.from(bytes)
  flipped[bytes.length >> 1] ^= 0x10
  await assert.rejects(
    readAudio(put('flipped.flac', flipped)),
    refused('ERR_AUDIO', /flipped\.flac: expected 8000 samples, as its head says, received \d+/, 'damaged'),
  )
  const cut = put('cut.flac', bytes)
  truncateSync(cut, bytes.length - 100)
  await assert.rejects(readAudio(cut), refused('ERR_AUDIO', /cut\.flac: expected 8000 samples/, 'damaged'))
  const foreign = put('foreign.flac', 'ID3 and so on, long enough to be read as a head of forty-two bytes')
  await assert.rejects(
    audioInfo(foreign),
    refused('ERR_AUDIO', /foreign\.flac: expected a FLAC file/, 'not_flac'),
  )
  const short = put('short.flac', 'fLaC')
  await assert.rejects(
    readAudio(short),
    refused('ERR_AUDIO', /short\.flac: expected a FLAC file/, 'not_flac'),
  )
})

/** A file of `times` times 2^20 samples of silence; `told`: how many its head says, 0 for unknown. */
async function silence(times, told) {
  const { bytes } = await flac([new Int32Array(2 ** 20)])
  const head = bytes.indexOf(Buffer.of(0xff, 0xf8))
  const whole = Buffer.concat([bytes.subarray(0, head), ...Array(times).fill(bytes.subarray(head))])
  whole.writeBigUInt64BE((whole.readBigUInt64BE(18) & ~0xfffffffffn) | BigInt(told), 18)
  return put(`silence-${times}-${told}.flac`, whole)
}

test('a small FLAC file of a long silence is refused before it fills the memory', async () => {
  const many = refused('ERR_AUDIO', /expected at most \d+ samples in \d+ bytes, received more/, 'not_decoded')
  await assert.rejects(readAudio(await silence(40, 40 << 20)), many)
  const unknown = await silence(40, 0)
  await assert.rejects(readAudio(unknown), many)
  await assert.rejects(audioInfo(unknown), many)
  assert.ok((await readAudio(await silence(8, 0))).samples.length > 7 << 20) // eight minutes are a sound
})

test('what is missing, empty, cut, of another codec or another kind is refused, each in its own words', async () => {
  const good = wav(glide())
  const law = Buffer.from(good)
  law.writeUInt16LE(7, 20)
  const cases = [
    [put('empty.wav', ''), 'ERR_AUDIO', /expected a wav file, received an empty one/, 'empty_file'],
    [put('silent.wav', wav(new Float32Array(0))), 'ERR_AUDIO', /expected samples, received none/, 'empty'],
    [
      put('cut.wav', good.subarray(0, 1000)),
      'ERR_AUDIO',
      /expected a file of 16044 bytes, received 1000/,
      'truncated',
    ],
    [put('law.wav', law), 'ERR_AUDIO', /received mu-law/, 'codec'],
    [put('text.wav', 'not a sound'), 'ERR_AUDIO', /expected a wav file \(RIFF/, 'not_wav'],
    [put('x.mp3', 'ID3'), 'ERR_AUDIO', /ends in \.wav, \.wave, \.flac/, 'format'],
    [join(folder, 'none.wav'), 'ERR_NOT_FOUND', /none\.wav/, undefined],
    [join(folder, 'none.flac'), 'ERR_NOT_FOUND', /none\.flac/, undefined],
  ]
  for (const [file, code, message, reason] of cases)
    for (const look of [audioInfo, readAudio])
      await assert.rejects(look(file), refused(code, message, reason))
})

test('many heads are read in their order, and a bad one stands at its place', async () => {
  const files = [
    put('1.wav', wav(glide())),
    join(folder, 'gone.wav'),
    put('2.flac', (await flac([[1, 2, 3]])).bytes),
  ]
  const done = []
  const [first, second, third] = await audioInfos(files, { onProgress: (count) => done.push(count) })
  assert.equal(first.samples, 8000)
  assert.equal(second.code, 'ERR_NOT_FOUND')
  assert.equal(third.samples, 3)
  assert.equal(done.at(-1), 3)
})

test('a file that a pipe wrote is read to its end, and that is said', async () => {
  const bytes = wav(glide())
  bytes.writeUInt32LE(0xffffffff, 4)
  bytes.writeUInt32LE(0xffffffff, 40)
  const info = await audioInfo(put('piped.wav', bytes))
  assert.equal(info.samples, 8000)
  assert.match(info.remark, /never filled in/)
})

test('reading ends with the reason of its signal', async () => {
  const stop = AbortSignal.abort(new Error('enough'))
  const file = put('s.flac', (await flac([whole(glide())])).bytes)
  await assert.rejects(readAudio(file, { signal: stop }), /enough/)
  await assert.rejects(audioInfos([file], { signal: stop }), /enough/)
})
