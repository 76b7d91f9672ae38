// A language of four tones, each 100 ms, in a fixed order from a random beginning: what is hidden can be foretold. Sound
// files, a manifest, and targets as `tongueforge clusters` writes them, with the tone of each place.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '#lib/text/random'
import { writeTensors } from './safetensors.mjs'
import { wav } from './sounds.mjs'
import { melHubertConfig } from './tiny_speech.mjs'

const RATE = 8000
const TONES = [300, 700, 1300, 2300]
const SPEAKERS = ['anna', 'ben']

/** Ten mel bins, places of 20 ms. */
export const FRONT_END = {
  feature_extractor_type: 'MelHubertFeatureExtractor',
  sampling_rate: RATE,
  num_mel_bins: 10,
  stacked_frames: 2,
  mean: Array(10).fill(8),
  std: Array(10).fill(4),
}

/** Keys of config.json of a model that learns it. */
export const toneModel = (changes = {}) =>
  melHubertConfig({
    ...{ feat_emb_dim: 20, num_cluster: TONES.length, hidden_size: 32, intermediate_size: 48 },
    ...{ num_conv_pos_embeddings: 8, num_attention_heads: 4, mask_length: 3, ...changes },
  })

/** `seconds` of tones; and the tone of each place of 20 ms. */
function utterance(random, seconds) {
  const first = random.below(TONES.length)
  const toneAt = (sample) => (first + Math.floor(sample / (RATE / 10))) % TONES.length
  const samples = Float32Array.from({ length: Math.round(RATE * seconds) }, (_, i) => {
    const noise = random.below(1000) / 1000 - 0.5
    return 0.3 * Math.sin((2 * Math.PI * TONES[toneAt(i)] * i) / RATE) + 0.01 * noise
  })
  const frames = 1 + Math.floor((samples.length - 200) / 80)
  const labels = Int32Array.from({ length: Math.ceil(frames / 2) }, (_, place) => toneAt(160 * place + 140))
  return { samples, labels }
}

/** Writes `count` utterances for training and a quarter of that held out. Gives the paths. */
export function writeTinySound(folder, { count = 40, seed = 1 } = {}) {
  const targets = join(folder, 'targets')
  mkdirSync(targets, { recursive: true })
  const tensors = []
  const write = (split, size) => {
    const rows = ['path,speaker']
    for (let i = 0; i < size; i++) {
      const name = `${split}_${i}.wav`
      const { samples, labels } = utterance(new Random(seed, i, split.length), 0.6 + (i % 5) / 5)
      writeFileSync(join(folder, name), wav(samples, { rate: RATE }))
      tensors.push({ name, shape: [labels.length], dtype: 'I32', bytes: new Uint8Array(labels.buffer) })
      rows.push(`${name},${SPEAKERS[i % SPEAKERS.length]}`)
    }
    writeFileSync(join(folder, `${split}.csv`), `${rows.join('\n')}\n`)
    return join(folder, `${split}.csv`)
  }
  const train = write('train', count)
  const heldOut = write('held_out', Math.ceil(count / 4))
  writeTensors(join(targets, 'labels.safetensors'), tensors)
  writeFileSync(join(targets, 'preprocessor_config.json'), JSON.stringify(FRONT_END))
  return { train, heldOut, targets }
}
