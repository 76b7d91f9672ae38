import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadModel, probe } from 'tongueforge'
import { FrontEnd } from '#lib/audio/front_end'
import { HeardFrames } from '#lib/audio/heard_frames'
import { checkConfig } from '#lib/config/parse'
import { probingSchema } from '#lib/config/probe'
import { native } from '#lib/native'
import { loadedEncoder } from '#lib/verbs/loaded_encoder'
import { hashProbes } from '#lib/verbs/probing/identity'
import { probeModel } from '#lib/verbs/probing/model'
import { planProbes } from '#lib/verbs/probing/plan'
import { main } from '../helpers/cli.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { LEXICON, spokenProbes, writeTinyListener } from '../helpers/tiny_probing.mjs'

const { root, data, manifest, takes, word, phones, spelled, all, model, config, write } = spokenProbes()
const named = ({ probes }, name) => probes.find((one) => one.name === name)
const linesOf = (out, name) =>
  readFileSync(join(root, out, 'predictions', `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

/** Everything that a run leaves but times and its own place. */
function bytesOf(out) {
  const folder = join(root, out)
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const kept = files.map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
  const {
    seconds_taken: _,
    resumed: __,
    out: ___,
    ...report
  } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))
  const bytes = kept
    .filter((name) => !['report.json', 'provenance.json', 'resolved.yaml'].includes(name))
    .map((name) => [name, readFileSync(join(folder, name), 'base64')])
  return { report, ...Object.fromEntries(bytes.sort()) }
}

before(write)

describe('probes on a speech encoder', () => {
  let report
  before(async () => {
    report = await probe(config('plain'))
  })

  test('tones are told apart by utterance, by place and as sequences', () => {
    assert.deepEqual(
      report.probes.map(({ name, classes }) => [name, classes]),
      [
        ['word', 5],
        ['word-last', 5],
        ['phones', 3],
        ['spelled', 3],
      ],
    )
    assert.ok(named(report, 'word').test.accuracy >= 0.8, `${named(report, 'word').test.accuracy}`)
    assert.equal(named(report, 'word').test.chance, 0.2)
    assert.ok(named(report, 'phones').test.frame_accuracy > 0.9)
    assert.ok(named(report, 'spelled').test.error_rate < 0.5, `${named(report, 'spelled').test.error_rate}`)
  })

  test('layer weights add up to 1: all layers, or the one', () => {
    for (const { layers, layer_weights } of report.probes) {
      assert.equal(layer_weights.length, layers === 'weighted' ? 3 : 1)
      assert.ok(Math.abs(layer_weights.reduce((a, b) => a + b, 0) - 1) < 1e-9)
    }
  })

  test('the report is what is written, and says what was heard', () => {
    const written = JSON.parse(readFileSync(join(root, 'plain/report.json'), 'utf8'))
    assert.deepEqual(written, report)
    assert.deepEqual([report.utterances, report.dry_run, report.resumed, report.skipped], [40, false, 0, 0])
    assert.deepEqual(named(report, 'word').train.n, 20)
    assert.deepEqual(named(report, 'word').test.n, 20)
  })

  for (const name of ['word', 'word-last'])
    test(`the head of ${name} names what the hidden states of the library give with it`, async () => {
      const head = readArrays(join(root, `plain/heads/${name}.safetensors`))
      const classes = JSON.parse(readFileSync(join(root, 'plain/classes.json'), 'utf8'))[name]
      const layers = name === 'word' ? [0, 1, 2] : ['last']
      const [encoder, frontEnd] = [await loadModel(model), await FrontEnd.open(model)]
      let nll = 0
      for (const { utterance, reference, prediction } of linesOf('plain', name)) {
        const [{ states, places }] = await encoder.hiddenStates([join(data, utterance)], { layers })
        const logits = logitsOf(
          head,
          states.map((layer) => meanOf(layer, places)),
        )
        assert.equal(classes[logits.indexOf(Math.max(...logits))], prediction)
        nll +=
          Math.log(logits.reduce((sum, one) => sum + Math.exp(one), 0)) - logits[classes.indexOf(reference)]
      }
      assert.ok(Math.abs(nll / 20 - named(report, name).test.nll) < 1e-4)
      await encoder.dispose()
      await frontEnd.dispose()
    })

  test('figures are those of the predictions that are written', () => {
    const words = linesOf('plain', 'word')
    const right = words.filter(({ reference, prediction }) => reference === prediction).length
    assert.equal(named(report, 'word').test.accuracy, right / words.length)
    const places = linesOf('plain', 'phones').flatMap(({ reference, prediction }) =>
      reference.flatMap((label, t) => (label === null ? [] : [label === prediction[t]])),
    )
    assert.equal(named(report, 'phones').test.places, places.length)
    assert.equal(named(report, 'phones').test.frame_accuracy, places.filter(Boolean).length / places.length)
    const spelt = linesOf('plain', 'spelled')
    assert.equal(
      named(report, 'spelled').test.tokens,
      spelt.reduce((sum, { reference }) => sum + reference.split(' ').length, 0),
    )
    assert.deepEqual([...new Set(spelt.map(({ reference }) => reference))].sort(), [
      'H',
      'H M L',
      'L',
      'L M H',
      'M',
    ])
  })

  test('a place has the label that is said at its middle', async () => {
    const frontEnd = await FrontEnd.open(model)
    for (const { utterance, reference } of linesOf('plain', 'phones')) {
      const tones = readFileSync(
        join(data, utterance.replace('wavs', 'aligned').replace('wav', 'tsv')),
        'utf8',
      )
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split('\t'))
      for (const [t, label] of reference.entries()) {
        const middle = t * 0.02 + 0.0175 // two frames of 25 ms, 10 ms apart
        assert.ok(Math.abs(frontEnd.middleOf(t) - middle) < 1e-12)
        const found = tones.find(([begin, end]) => Number(begin) <= middle && middle < Number(end))
        assert.equal(label, found?.[2] ?? null)
      }
    }
    await frontEnd.dispose()
  })

  test('the same config gives the same bytes, whatever other probes there are', async () => {
    await probe(config('again'))
    assert.deepEqual(bytesOf('again'), bytesOf('plain'))
    await probe(config('alone', [phones]))
    for (const file of ['heads/phones.safetensors', 'predictions/phones.jsonl'])
      assert.equal(bytesOf('alone')[file], bytesOf('plain')[file])
  })

  test('rows of a manifest may come in any order', async () => {
    const [head, ...rows] = readFileSync(manifest, 'utf8').trim().split('\n')
    writeFileSync(join(data, 'down.csv'), `${[head, ...rows.reverse()].join('\n')}\n`)
    const turned = (sources) => sources.map((one) => ({ ...one, path: join(data, 'down.csv') }))
    await probe(config('down', all, { train: turned(takes(0, 1)), test: turned(takes(2, 3)) }))
    assert.deepEqual(bytesOf('down'), bytesOf('plain'))
  })

  test('chance is how often the test has what training has most', async () => {
    const some = (take, voice) => ({ path: manifest, where: { take, voice } })
    const train = [some(0, ['loud', 'soft']), some(1, 'loud')]
    const judged = [some(2, 'soft'), some(3, ['loud', 'soft'])]
    const voice = { name: 'voice', kind: 'utterance', label: 'voice', steps: 1 }
    const { probes } = await probe(config('chance', [voice], { train, test: judged }))
    assert.equal(probes[0].test.chance, 5 / 15)
  })

  test('a seed changes the order of batches, and nothing where all go together', async () => {
    const batches = [{ ...word, batch_size: 5 }]
    for (const [out, seed] of Object.entries({ first: 1, same: 1, second: 2 }))
      await probe(config(out, batches, { seed }))
    assert.deepEqual(bytesOf('same'), bytesOf('first'))
    assert.notDeepEqual(bytesOf('second'), bytesOf('first'))
    await probe(config('seeded', all, { seed: 2 }))
    assert.deepEqual(bytesOf('seeded'), bytesOf('plain'))
  })

  test('a probe may be called what all objects have: it is learned', async () => {
    const probes = ['constructor', 'toString'].map((name) => ({ ...word, name, steps: 2 }))
    const found = await probe(config('constructed', probes))
    assert.deepEqual(
      found.probes.map(({ name, classes }) => [name, classes]),
      [
        ['constructor', 5],
        ['toString', 5],
      ],
    )
    assert.equal(found.resumed, 0)
    assert.equal(linesOf('constructed', 'constructor').length, 20)
    assert.ok(existsSync(join(root, 'constructed/heads/toString.safetensors')))
  })

  test('of folds each is a training of its own, and figures are their means', async () => {
    const { train: _, ...rest } = config('folds', [word])
    const found = await probe({ ...rest, folds: [takes(0), takes(1)] })
    const [{ folds, test: mean, layer_weights }] = found.probes
    assert.equal(folds.length, 2)
    for (const [i, fold] of folds.entries()) {
      const alone = await probe({ ...config(`fold-${i}`, [word]), train: takes(i) })
      const { train, test: judged, layer_weights: weights } = alone.probes[0]
      assert.deepEqual(fold, { train, test: judged, layer_weights: weights })
      const head = `heads/word-${i + 1}.safetensors`
      assert.equal(bytesOf('folds')[head], bytesOf(`fold-${i}`)['heads/word.safetensors'])
    }
    assert.equal(mean.nll, (folds[0].test.nll + folds[1].test.nll) / 2)
    assert.equal(mean.accuracy, (folds[0].test.accuracy + folds[1].test.accuracy) / 2)
    assert.equal(layer_weights[1], (folds[0].layer_weights[1] + folds[1].layer_weights[1]) / 2)
    assert.deepEqual(new Set(linesOf('folds', 'word').map(({ fold }) => fold)), new Set([1, 2]))
  })

  test('a dry run tells sizes and leaves nothing', async () => {
    const plan = await probe(config('dry'), { dryRun: true })
    for (const key of ['utterances', 'seconds', 'places', 'memory_bytes', 'model'])
      assert.deepEqual(plan[key], report[key], key)
    // Three layers of 16 numbers, 4 bytes each: a mean an utterance, and all places.
    assert.equal(plan.memory_bytes, (plan.utterances + plan.places) * 3 * 16 * 4)
    assert.deepEqual(plan.probes[3], {
      ...{ name: 'spelled', kind: 'sequence', layers: 3, classes: 3, train: [20], test: 20 },
    })
    assert.ok(!existsSync(join(root, 'dry')))
  })

  for (const label of ['hidden states', 'word', 'phones', 'spelled'])
    test(`a run that is stopped in ${label} leaves nothing at its place, and resumed gives the same bytes`, async () => {
      const out = `stopped-${label}`.replace(' ', '-')
      const stop = new AbortController()
      const kept = []
      const onProgress = (progress) => {
        if (progress.label === label && progress.done >= 2) stop.abort(new Error('enough'))
      }
      const options = { resume: true, onKept: () => kept.push(label), signal: stop.signal }
      await assert.rejects(probe(config(out), { ...options, onProgress }), /enough/)
      assert.ok(!existsSync(join(root, out)))
      const seen = new Set()
      const found = await probe(config(out), { resume: true, onProgress: (one) => seen.add(one.label) })
      const before = { 'hidden states': 0, word: 0, phones: 2, spelled: 3 }[label]
      assert.ok([before, before + 1].includes(found.resumed)) // it may have ended before it heard
      assert.equal(seen.has('word'), found.resumed === 0)
      assert.deepEqual(bytesOf(out), bytesOf('plain'))
      assert.deepEqual(
        readdirSync(root).filter((entry) => entry.startsWith('.tmp')),
        [],
      )
    })

  test('what a model gives behind its last norm is its last layer, where it has one', async () => {
    const normed = await writeTinyListener(join(root, 'normed'), { do_stable_layer_norm: true })
    const given = (out, layers) => ({ ...config(out, [{ ...word, layers }]), model: normed })
    await probe(given('behind', 'last'))
    await probe(given('before', 2))
    const [behind, before] = ['behind', 'before'].map((out) =>
      readArrays(join(root, out, 'heads/word.safetensors')),
    )
    const encoder = await loadModel(normed)
    const means = { behind: [], before: [] }
    for (const { utterance } of trained()) {
      const [{ states, places }] = await encoder.hiddenStates([utterance], { layers: ['last', 2] })
      means.behind.push(meanOf(states[0], places))
      means.before.push(meanOf(states[1], places))
    }
    for (const [name, { mean }] of Object.entries({ behind, before }))
      for (const [d, value] of mean.data.entries()) {
        const wanted = means[name].reduce((sum, one) => sum + one[d], 0) / means[name].length
        assert.ok(Math.abs(value - wanted) < 1e-4, `${name} ${d}`)
      }
    assert.notDeepEqual(behind.mean, before.mean)
    await encoder.dispose()
  })

  test('what another config or other labels left is not gone on with', async () => {
    const stop = new AbortController()
    const onProgress = ({ label }) => label === 'spelled' && stop.abort(new Error('enough'))
    const changed = config('changed', [
      { ...word, steps: 20 },
      { ...spelled, steps: 60, lr: 0.05 },
    ])
    await assert.rejects(probe(changed, { resume: true, signal: stop.signal, onProgress }), /enough/)
    const found = await probe(config('changed', [word, spelled]), { resume: true })
    assert.equal(found.resumed, 0)
  })

  test('a landscape asks the same of a model in memory, and the hash is of sound, labels and settings', async () => {
    const frontEnd = await FrontEnd.open(model)
    const plan = (probes) => {
      const { train, test: judged } = config('x')
      return planProbes(checkConfig(probingSchema, { train, test: judged, probes }, 'config'), frontEnd)
    }
    const { signal } = new AbortController()
    const encoder = await loadModel(model)
    const { handle } = await loadedEncoder(model, encoder.spec, { threads: 1 })
    const options = { sounds: new HeardFrames(frontEnd, signal), threads: 1, seed: 1, signal }
    const figures = await probeModel({ handle, spec: encoder.spec }, await plan(all), options)
    assert.deepEqual(JSON.parse(JSON.stringify(figures)), report.probes)
    const hash = async (probes) => hashProbes(await plan(probes))
    assert.equal(await hash(all), await hash(all))
    assert.notEqual(await hash([word]), await hash([{ ...word, label: 'voice' }]))
    assert.notEqual(await hash([word]), await hash([{ ...word, lr: 0.02 }]))
    const swapped = readFileSync(manifest, 'utf8').replace('0.wav,low,loud', '0.wav,high,loud')
    writeFileSync(join(data, 'swapped.csv'), swapped)
    const other = takes(0, 1).map((one) => ({ ...one, path: join(data, 'swapped.csv') }))
    assert.notEqual(await hash([word]), await hash([{ ...word, train: other }]))
    writeFileSync(join(data, 'copy.dict'), LEXICON)
    assert.equal(await hash([spelled]), await hash([{ ...spelled, lexicon: join(data, 'copy.dict') }]))
    native().dispose(handle)
    await encoder.dispose()
    await frontEnd.dispose()
  })

  test('the command prints a table, and under --json the report', () => {
    const file = join(root, 'probe.json')
    writeFileSync(file, JSON.stringify(config('cli', [{ ...word, steps: 3 }])))
    const run = (...args) =>
      spawnSync(process.execPath, [main, 'probe', file, '--overwrite', ...args], { encoding: 'utf8' })
    assert.match(run('--dry-run').stdout, /^name\s+kind[^\n]*\nword\s+utterance\s+3\s+5\s+20\s+20\n/)
    assert.match(
      run().stdout,
      /^probe\s+kind[^\n]*\nword\s+utterance\s+weighted\s+5\s+20\s+accuracy\s+[\d.]+/,
    )
    const told = JSON.parse(run('--json').stdout)
    assert.deepEqual(told.probes[0].name, 'word')
  })

  test('a folder that is there is replaced only with overwrite, and not where it holds what is read', async () => {
    const given = config('plain')
    await assert.rejects(probe(given), { code: 'ERR_EXISTS' })
    const inside = [{ path: join(given.out, 'train.csv') }]
    const own = given.probes.map((one) => ({ ...one, train: inside }))
    await assert.rejects(probe({ ...given, probes: own }, { overwrite: true }), { code: 'ERR_USAGE' })
  })
})

const trained = () => Array.from({ length: 20 }, (_, i) => ({ utterance: join(data, `wavs/${i}.wav`) }))

/** weight ((states - mean) / deviation, layers weighted) + bias */
function logitsOf({ weight, bias, layer_weights, mean, deviation }, states) {
  const width = weight.shape[1]
  const mixed = Array.from({ length: width }, (_, d) =>
    states.reduce((sum, layer, l) => {
      const i = l * width + d
      return sum + (layer_weights.data[l] * (layer[d] - mean.data[i])) / deviation.data[i]
    }, 0),
  )
  return Array.from(bias.data, (start, c) =>
    mixed.reduce((sum, value, d) => sum + value * weight.data[c * width + d], start),
  )
}

function meanOf(states, places) {
  const width = states.length / places
  return Array.from({ length: width }, (_, d) => {
    let sum = 0
    for (let t = 0; t < places; t++) sum += states[t * width + d]
    return sum / places
  })
}
