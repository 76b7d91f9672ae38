// Sound with labels for probes, and a tiny MelHuBERT that hears it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './folders.mjs'
import { glide, wav } from './sounds.mjs'
import { melHubertConfig, writeTinySpeech } from './tiny_speech.mjs'

/** Tones of a sound file, in Hz and as tokens; each lasts `SECONDS`. */
const PITCHES = { low: 300, middle: 900, high: 2700 }
const SECONDS = 0.2
/** At the end of each tone, of which the alignment says nothing. */
const GAP = 0.03

const WORDS = ['low', 'middle', 'high', 'rise', 'fall']
export const LEXICON = 'low L\nmiddle M\nhigh H\nrise L M H\nfall H M L\nfall(2) H L\n'
const TONES = { L: 'low', M: 'middle', H: 'high' }
const PHONES = Object.fromEntries(
  LEXICON.split('\n')
    .slice(0, 5)
    .map((line) => [line.split(' ')[0], line.split(' ').slice(1)]),
)

/** Row `i` of the manifest: a word said by one of two voices, which are loud and soft. */
function spoken(i) {
  const word = WORDS[i % WORDS.length]
  const voice = i % 2 === 0 ? 'loud' : 'soft'
  const sound = PHONES[word].flatMap((phone) => {
    const from = PITCHES[TONES[phone]] * (1 + i / 500)
    return [...glide({ seconds: SECONDS, from, to: from * 1.01, level: voice === 'loud' ? 0.5 : 0.02 })]
  })
  const segments = PHONES[word].map((phone, k) => `${k * SECONDS}\t${(k + 1) * SECONDS - GAP}\t${phone}`)
  return {
    word,
    voice,
    sound: Float32Array.from(sound),
    alignment: `begin\tend\tlabel\n${segments.join('\n')}\n`,
  }
}

/** A folder: manifest.csv with the columns file, word, voice, phones, take; its sounds and alignments; words.dict. */
export function spokenWords(count = 40) {
  const files = { 'words.dict': LEXICON }
  const rows = ['file,word,voice,phones,take']
  for (let i = 0; i < count; i++) {
    const { word, voice, sound, alignment } = spoken(i)
    files[`wavs/${i}.wav`] = wav(sound)
    files[`aligned/${i}.tsv`] = alignment
    rows.push(`wavs/${i}.wav,${word},${voice},aligned/${i}.tsv,${Math.floor(i / 10)}`)
  }
  files['manifest.csv'] = `${rows.join('\n')}\n`
  return temporaryFolder(files)
}

const frontEnd = {
  ...{ feature_extractor_type: 'MelHubertFeatureExtractor', sampling_rate: 16000, num_mel_bins: 40 },
  ...{ frame_length_ms: 25, frame_shift_ms: 10, preemphasis: 0.97, window: 'hamming', dither: 0 },
  ...{ stacked_frames: 2, mean: Array(40).fill(10), std: Array(40).fill(4) },
}

/** Random weights; the changes are of config.json. */
export async function writeTinyListener(folder, changes = {}, seed = 3) {
  await writeTinySpeech(folder, melHubertConfig({ feat_emb_dim: 80, ...changes }), seed)
  writeFileSync(join(folder, 'preprocessor_config.json'), JSON.stringify(frontEnd))
  return folder
}

/** A model, sound, probes of three kinds on it, and configs of `probe` in a folder of their own. `write` makes the model. */
export function spokenProbes() {
  const root = temporaryFolder()
  const data = spokenWords()
  const manifest = join(data, 'manifest.csv')
  const takes = (from, to = from) => [{ path: manifest, where: { take: { from, to } } }]
  const word = { name: 'word', kind: 'utterance', label: 'word' }
  const phones = { name: 'phones', kind: 'frames', label: 'phones' }
  const spelled = { name: 'spelled', kind: 'sequence', label: 'word', lexicon: join(data, 'words.dict') }
  const all = [
    word,
    { ...word, name: 'word-last', layers: 'last' },
    phones,
    { ...spelled, steps: 60, lr: 0.05 },
  ]
  const model = join(root, 'model')
  const config = (out, probes = all, more = {}) => ({
    ...{ model, out: join(root, out), train: takes(0, 1), test: takes(2, 3), probes },
    ...more,
  })
  const write = () => writeTinyListener(model)
  return { root, data, manifest, takes, word, phones, spelled, all, model, config, write }
}
