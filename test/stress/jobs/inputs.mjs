// What the jobs of the stress tests work on: tiny models of each kind, adapters, deltas, texts, sounds and files of torch,
// written once by the test and found by any process by the paths in what writeInputs returns, which is JSON.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { extractDelta } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { WORDS_A } from '#lib/world/words'
import { writeBpeModel } from '../../helpers/bpe_model.mjs'
import { byteLevelOn } from '../../helpers/bpe_tokenizers.mjs'
import { clone } from '../../helpers/cli.mjs'
import { flac, glide, wav } from '../../helpers/sounds.mjs'
import { encoderConfig, sentence, writeTinyEncoder } from '../../helpers/tiny_encoder.mjs'
import { writeDescendant, writeTinyModel } from '../../helpers/tiny_model.mjs'
import { FRONT_END, toneModel, writeTinySound } from '../../helpers/tiny_sound.mjs'
import { hubertConfig, writeTinySpeech } from '../../helpers/tiny_speech.mjs'
import { writeTinyTasks } from '../../helpers/tiny_tasks.mjs'
import { tinyTraining } from '../../helpers/tiny_training.mjs'

/** Where models of the jobs run: a GPU, where TONGUEFORGE_STRESS_DEVICE says cuda. */
export const device = process.env.TONGUEFORGE_STRESS_DEVICE ?? 'cpu'
const golden = (path) => join(clone, 'test/golden', path)

/** Writes them below `home`. */
export async function writeInputs(home) {
  const at = (name) => join(home, name)
  mkdirSync(at('scratch'), { recursive: true })
  return {
    device,
    scratch: at('scratch'),
    ...(await writeDecoders(at)),
    ...(await writeEncoders(at)),
    ...(await writeSounds(at)),
    ...(await writeTexts(at)),
    ...(await writeDerived(at)),
    tasks: Object.values(writeTinyTasks(at('tasks'), { documents: 6 })),
    torch: golden('conversions/llama_tied/given'),
    shards: golden('conversions/llama_sharded/given'),
    fastText: golden('fasttext/plain.bin'),
    parquet: golden('parquet/messages_zstd.parquet'),
  }
}

/** A small model whose jobs end within a millisecond or two, one whose jobs take tens, and two that descend from the first. */
async function writeDecoders(at) {
  const small = await writeTinyModel(at('small'), { width: 32, layers: 2 })
  return {
    small,
    chat: await writeDescendant(small, at('chat'), { seed: 2, size: 0.1 }),
    target: await writeDescendant(small, at('target'), { seed: 3, size: 0.2 }),
    large: await writeTinyModel(at('large'), { width: 256, layers: 4 }),
  }
}

async function writeEncoders(at) {
  await writeTinyEncoder(at('encoder'))
  const classes = { architectures: ['BertForSequenceClassification'], id2label: { 0: 'yes', 1: 'no' } }
  await writeTinyEncoder(at('classifier'), encoderConfig({ ...classes, label2id: { yes: 0, no: 1 } }))
  return { encoder: at('encoder'), classifier: at('classifier') }
}

async function writeSounds(at) {
  const sound = writeTinySound(at('sound'), { count: 8 })
  await writeTinySpeech(at('speech'), toneModel())
  writeFileSync(join(at('speech'), 'preprocessor_config.json'), JSON.stringify(FRONT_END))
  await writeTinySpeech(at('hubert'), hubertConfig())
  const tone = glide({ seconds: 0.5 })
  writeFileSync(at('tone.wav'), wav(tone))
  const whole = Array.from(tone, (sample) => Math.round(32767 * sample))
  writeFileSync(at('tone.flac'), (await flac([whole])).bytes)
  return { sound, speech: at('speech'), hubert: at('hubert'), wav: at('tone.wav'), flac: at('tone.flac') }
}

async function writeTexts(at) {
  const words = (i, count) =>
    Array.from({ length: count }, (_, j) => WORDS_A[(i * i + 3 * j) % WORDS_A.length]).join(' ')
  const lines = (count, make) => Array.from({ length: count }, (_, i) => make(i))
  const jsonLines = (rows) => rows.map((row) => JSON.stringify(row)).join('\n')
  const { init, ...training } = await tinyTraining(at('training'), { steps: 6 })
  const texts = lines(60, (i) => words(i, 14))
  writeFileSync(at('texts.txt'), texts.join('\n\n'))
  writeFileSync(at('sentences.txt'), lines(60, sentence).join('\n\n'))
  writeFileSync(
    at('chats.jsonl'),
    jsonLines(lines(20, (i) => ({ prompt: words(i, 5), completion: words(i + 9, 6) }))),
  )
  const pair = (i) => ({ prompt: words(i, 4), chosen: words(i + 7, 5), rejected: words(i + 9, 5) })
  writeFileSync(at('pairs.jsonl'), jsonLines(lines(30, pair)))
  const tokenizer = await byteLevelOn(texts.slice(0, 6).join(' '), 20)
  const pieces = await writeBpeModel(at('pieces'), tokenizer)
  return {
    init,
    training: { ...training, device, deterministic: device !== 'cpu' },
    texts: at('texts.txt'),
    sentences: at('sentences.txt'),
    chats: at('chats.jsonl'),
    pairs: at('pairs.jsonl'),
    pieces,
  }
}

/** What only jobs make: an adapter, a delta, and a model with zeros. */
async function writeDerived(at) {
  const run = { ...(await trainingOf(at)), lora: { rank: 2 }, steps: 2, out: at('lora-run') }
  const { adapter } = await train(run).result
  cpSync(adapter, at('adapter'), { recursive: true })
  const { out: delta } = await extractDelta({ base: at('small'), chat: at('chat'), out: at('delta') })
  return { adapter: at('adapter'), delta }
}

const trainingOf = async (at) => {
  const { init: _, ...training } = await tinyTraining(at('lora-training'))
  return { ...training, model: at('small'), eval: undefined, checkpoint: undefined }
}
