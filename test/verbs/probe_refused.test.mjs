// What `probe` refuses, each with its code, its words and its hint, before anything is written.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { probe } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { glide, wav } from '../helpers/sounds.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { spokenProbes } from '../helpers/tiny_probing.mjs'

const { root, data, manifest, takes, word, phones, spelled, config, write } = spokenProbes()

before(write)

describe('probes that cannot be', () => {
  const refused = (changes, code, message, hint) => async () => {
    const given = { ...config('x', [word]), ...changes() }
    await assert.rejects(probe(given), (error) => {
      assert.equal(error.code, code, error.stack)
      assert.match(error.message, message)
      assert.match(error.hint ?? '', hint)
      return true
    })
    assert.ok(!existsSync(join(root, 'x')))
  }
  const one = (changes) => () => ({ probes: [{ ...word, ...changes }] })
  /** A manifest of a.wav and b.wav, parted by its column `set`. */
  const split = (text, more = {}) => {
    const sound = wav(glide({ seconds: 0.3 }))
    const folder = temporaryFolder({ 'manifest.csv': text, 'a.wav': sound, 'b.wav': sound, ...more })
    const rows = (set) => [{ path: join(folder, 'manifest.csv'), where: { set } }]
    return { train: rows('train'), test: rows('test') }
  }

  test(
    'a column that the manifest lacks',
    refused(
      one({ label: 'digit' }),
      'ERR_DATA',
      /expected the column digit in its row.*found word, voice/,
      /label names columns/,
    ),
  )
  test(
    'a column of where that it lacks',
    refused(
      () => ({ train: [{ path: manifest, where: { set: 'a' } }] }),
      'ERR_DATA',
      /expected the column set/,
      /where names columns/,
    ),
  )
  test(
    'rows that no where means',
    refused(
      () => ({ train: takes(9) }),
      'ERR_DATA',
      /expected rows that are as where says.*none of 40/,
      /Compare/,
    ),
  )
  test(
    'where without a manifest',
    refused(
      () => ({ train: [{ path: join(data, 'wavs'), where: { take: 1 } }] }),
      'ERR_DATA',
      /where: expected a manifest/,
      /columns/,
    ),
  )
  test(
    'sound without a manifest has no labels',
    refused(
      () => ({ train: [{ path: join(data, 'wavs') }] }),
      'ERR_DATA',
      /column word.*found none/,
      /manifest/,
    ),
  )
  test(
    'a class that only the test has',
    refused(
      () => split('file,word,set\na.wav,yes,train\nb.wav,no,test\n'),
      'ERR_DATA',
      /word: expected the word no, which the test has, in its training too, found none/,
      /part the sound otherwise/,
    ),
  )
  test(
    'a fold without a class of the test',
    refused(
      () => ({ train: undefined, folds: [takes(0), [{ path: manifest, where: { take: 1, word: 'low' } }]] }),
      'ERR_DATA',
      /expected the word fall, which the test has, in fold 2 of its training too/,
      /part the sound/,
    ),
  )
  test(
    'one class alone',
    refused(
      () => split('file,word,set\na.wav,yes,train\nb.wav,yes,test\n'),
      'ERR_CONFIG',
      /at least two classes of word, received yes/,
      /right column/,
    ),
  )
  test(
    'an utterance without a label',
    refused(
      () => split('file,word,set\na.wav,yes,train\nb.wav,,test\n'),
      'ERR_DATA',
      /b\.wav: expected a label in the column word, found none/,
      /leave the row out/,
    ),
  )
  test(
    'sound in train and test',
    refused(
      () => ({ test: takes(1, 2) }),
      'ERR_DATA',
      /expected in train or in test of word, found in both/,
      /where/,
    ),
  )
  test(
    'sound that is named twice',
    refused(
      () => ({ train: [...takes(0), ...takes(0, 1)] }),
      'ERR_DATA',
      /expected once among the sources/,
      /one/,
    ),
  )
  test(
    'probes whose heads would have one file, once the folds are numbered',
    refused(
      () => ({
        probes: [
          { ...word, train: undefined, folds: [takes(0), takes(1)] },
          { ...word, name: 'word-1' },
        ],
      }),
      'ERR_CONFIG',
      /probes: expected files of its own for each, received word and word-1, both with heads\/word-1\.safetensors/,
      /take another/,
    ),
  )
  test(
    'the same with folds for all',
    refused(
      () => ({
        train: undefined,
        folds: [takes(0), takes(1)],
        probes: [
          { ...word, name: 'word-1-2' },
          { ...word, train: takes(0), name: 'word-1-2-1' },
        ],
      }),
      'ERR_CONFIG',
      /received word-1-2 and word-1-2-1, both with heads\/word-1-2-1\.safetensors/,
      /take another/,
    ),
  )
  test(
    'a column that only all objects have',
    refused(
      one({ label: 'constructor' }),
      'ERR_DATA',
      /expected the column constructor in its row/,
      /label names columns/,
    ),
  )
  test(
    'a layer that the model lacks',
    refused(
      one({ layers: 7 }),
      'ERR_CONFIG',
      /layers: expected 0 to 2, weighted or last, received 7/,
      /2 layers/,
    ),
  )
  test(
    'neither train nor folds, and no test',
    refused(
      () => ({ train: undefined }),
      'ERR_CONFIG',
      /word: expected train or folds, received neither/,
      /train:/,
    ),
  )
  test(
    'both of them',
    refused(() => ({ folds: [takes(0), takes(1)] }), 'ERR_CONFIG', /train or folds, received both/, /train:/),
  )
  test(
    'nothing to be judged on',
    refused(() => ({ test: undefined }), 'ERR_CONFIG', /word: expected test, received nothing/, /test:/),
  )
  test(
    'two probes of one name',
    refused(
      () => ({ probes: [word, word] }),
      'ERR_CONFIG',
      /name of its own for each, received word twice/,
      /./,
    ),
  )
  test(
    'an unknown key, with the nearest',
    refused(one({ lable: 'x' }), 'ERR_CONFIG', /probes\.0\.lable: unknown key/, /label/),
  )
  test(
    'a lexicon without words to spell',
    refused(
      one({ lexicon: join(data, 'words.dict') }),
      'ERR_CONFIG',
      /expected kind: sequence.*utterance/,
      /sequence/,
    ),
  )
  test(
    'a word that the lexicon lacks',
    refused(
      () => ({ probes: [{ ...spelled, label: 'voice' }] }),
      'ERR_DATA',
      /expected the word loud in .*words\.dict, found none/,
      /Add a line/,
    ),
  )
  test(
    'more tokens than there are places',
    refused(
      () => ({
        probes: [{ name: 's', kind: 'sequence', label: 'word' }],
        ...split(`file,word,set\na.wav,${'a a '.repeat(9)},train\nb.wav,a b,test\n`),
      }),
      'ERR_DATA',
      /a\.wav: expected at least 35 places for the 18 tokens of word, received 14/,
      /between two that are alike/,
    ),
  )
  const aligned = (text, name = 'a.tsv') =>
    refused.bind(null, () => ({
      probes: [{ ...phones }],
      ...split(`file,phones,set\na.wav,${name},train\nb.wav,${name},test\n`, { [name]: text }),
    }))
  test(
    'an alignment that is longer than its sound',
    aligned('0\t0.2\tA\n0.2\t0.9\tB\n')(
      'ERR_DATA',
      /a\.tsv: expected segments within the 0\.3 s of .*a\.wav, received one that ends at 0\.9 s/,
      /another file/,
    ),
  )
  test(
    'an alignment whose segments overlap',
    aligned('0\t0.2\tA\n0.1\t0.3\tB\n')(
      'ERR_DATA',
      /do not overlap, received A to 0\.2 s and B from 0\.1 s/,
      /one label/,
    ),
  )
  test(
    'a line of an alignment that is none',
    aligned('0\t0.2\tA\n0.2\tB\n')('ERR_DATA', /a\.tsv:2: expected begin, end .*received "0\.2\\tB"/, /Mend/),
  )
  test(
    'an alignment that says nothing within the sound',
    aligned('0\t0.001\tA\n')(
      'ERR_DATA',
      /expected a label for some place of .*a\.wav, found none/,
      /seconds/,
    ),
  )
  test(
    'an alignment of another kind of file',
    aligned('x', 'a.TextGrid')('ERR_DATA', /a\.TextGrid: expected an alignment in \.tsv or \.json/, /tabs/),
  )
  test(
    'a model that writes text',
    refused(
      () => ({ model: textModel }),
      'ERR_CONFIG',
      /model: expected a speech encoder, received a llama/,
      /MelHuBERT/,
    ),
  )
  test(
    'more hidden states than may be',
    refused(
      () => ({ max_memory_gb: 1e-6 }),
      'ERR_OUT_OF_MEMORY',
      /at most 0\.000001 GB \(max_memory_gb\), received probes that look at 0\.00000768 GB/,
      /layers: last/,
    ),
  )

  let textModel
  before(async () => {
    textModel = await writeTinyModel(join(root, 'text'))
  })

  test('classes of places and tokens that training lacks are told, and count as errors', async () => {
    const warnings = []
    const sources = split('file,word,set\na.wav,a b,train\nb.wav,a c,test\n')
    const given = { ...config('unseen', [{ name: 's', kind: 'sequence', label: 'word' }]), ...sources }
    const { probes } = await probe(given, { onWarning: (text) => warnings.push(text) })
    assert.match(warnings.join(), /s: the test has c, its training does not: these count as errors/)
    assert.ok(probes[0].test.error_rate >= 0.5)
  })
})
