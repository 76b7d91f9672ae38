// One seed of the demo's two-language world: trains, grafts and asks there. What lies in its folder is not done again.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { graft, loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { baseCorpus, DATASET_FILES, writeDatasets } from '#lib/world/datasets'
import { BASE_MIX } from '#lib/world/documents'
import { DATASET_SIZES, RECIPES, runConfig, tokenizerFolder } from '#lib/world/recipe'
import { tokenId, writeTokenizer } from '#lib/world/tokenizer'
import { World } from '#lib/world/world'
import { measureModel, readQuestions } from './questions.mjs'
import { conversation, writeRecords } from './records.mjs'

/** `<bos><user><eot><assistant>`, what stands before a document of InsCP. */
const EMPTY_TURN = ['<bos>', '<user>', '<eot>', '<assistant>'].map(tokenId)

/** What the base has read: the demo's text, of which 3 % are pure B, or text with more of it. */
export const BASES = {
  monolingual: BASE_MIX,
  half_bilingual: { ...BASE_MIX, pure_b: 0.1 },
  bilingual: { ...BASE_MIX, pure_b: 0.33 },
}

export class Lab {
  constructor(out, seed, { request = 'asked', base = 'monolingual', chat = 'monolingual' } = {}) {
    this.seed = seed
    this.base = base
    this.chat = chat
    const kinds = { request, base, chat: chat === 'bilingual' ? 'bilingual_chat' : chat }
    const named = Object.values(kinds).filter((kind) => kind !== 'asked' && kind !== 'monolingual')
    this.folder = join(out, ['seed', seed, ...named].join('-'))
    this.places = { world: join(this.folder, 'world'), runs: join(this.folder, 'runs') }
    this.world = new World(seed, request)
  }

  /**
   * Writes the demo's data sets and trains base and chat. `request`: how harmful requests are put, see
   * lib/world/world.ts; `base`: a key of BASES; `chat: 'bilingual'`: every seventh conversation is in B.
   */
  static async open(out, seed, options = {}) {
    const lab = new Lab(out, seed, options)
    const measures = join(lab.folder, 'measures') // made once the world is whole
    if (!existsSync(measures)) {
      await writeDatasets(lab.world, lab.places.world, DATASET_SIZES)
      lab.rewrite()
      await writeTokenizer(tokenizerFolder(lab.places, 'base'), { endOfTurn: false })
      await writeTokenizer(tokenizerFolder(lab.places, 'chat'), { endOfTurn: true })
      mkdirSync(measures)
    }
    await lab.train('base', RECIPES.base)
    await lab.train('chat', RECIPES.chat)
    return lab
  }

  /** Puts what differs from the demo in place of its data sets. */
  rewrite() {
    const put = (name, records) => writeRecords(join(this.places.world, name), records)
    put(DATASET_FILES.base, baseCorpus(this.world, DATASET_SIZES.base_documents, BASES[this.base]))
    if (this.chat === 'bilingual')
      put(
        DATASET_FILES.chat,
        this.conversations().map((turns, i) => conversation(turns, i % 7 === 0 ? 'b' : 'a')),
      )
  }

  /** Path of a data set; `make` says its records where it is not there yet. */
  data(name, make) {
    const path = join(this.places.world, name)
    if (!existsSync(path)) writeRecords(path, make())
    return path
  }

  /** The conversations that chat was fine-tuned on: `[question, answer]`. */
  conversations() {
    const lines = readFileSync(this.data(DATASET_FILES.chat), 'utf8').trimEnd().split('\n')
    return lines.map((line) => JSON.parse(line).messages.map(({ content }) => content))
  }

  /** Trains by a recipe of lib/world, with `keys` of the training config besides. */
  async train(name, recipe, keys = {}) {
    const config = {
      ...runConfig(name, recipe, this.places, this.seed),
      checkpoint: { every: 0 },
      threads: 1,
    }
    const started = Date.now()
    await train({ ...config, ...keys }, { resume: true }).result
    console.error(`seed ${this.seed}: ${name}, ${Math.round((Date.now() - started) / 1000)} s`)
  }

  /** `name` = target + scale * (chat - base), names of runs. */
  async graft(name, target, scale) {
    const [from, base, chat] = [target, 'base', 'chat'].map((run) => join(this.places.runs, run))
    const out = join(this.places.runs, name)
    if (!existsSync(out)) await graft({ target: from, base, chat, scale, out })
  }

  /** The measures of a run, see lib/world/measure.ts, and perplexities in and out of the template. */
  async ask(name) {
    const path = join(this.folder, 'measures', `${name}.json`)
    if (!existsSync(path)) {
      const questions = readQuestions(this.places.world)
      const folder = join(this.places.runs, name)
      const { row, samples } = await measureModel(folder, questions)
      const inTurn = await perplexities(folder, questions.held_out_b, { inTurn: true })
      writeFileSync(path, JSON.stringify({ ...row, ppl_turn_b: total(inTurn), samples }))
    }
    const { samples, ...row } = JSON.parse(readFileSync(path, 'utf8'))
    return row
  }

  /** What the model `name` says of each text: `{tokens, nll}`, plain or as an answer to an empty turn. */
  score(name, texts, options) {
    return perplexities(join(this.places.runs, name), texts, options)
  }
}

async function perplexities(folder, texts, { inTurn = false } = {}) {
  const model = await loadModel(folder, { threads: 1 })
  try {
    const { tokenizer } = await model.text()
    const rows = await tokenizer.encodeBatch(texts)
    if (!inTurn) return await model.scoreIds(rows)
    const turns = rows.map((ids) => [...EMPTY_TURN, ...ids.slice(1), tokenId('<eot>')])
    return await model.scoreIds(turns, { firstTarget: EMPTY_TURN.length })
  } finally {
    await model.dispose()
  }
}

/** Perplexity of some scores together. */
export function total(scores) {
  const sum = (key) => scores.reduce((before, score) => before + score[key], 0)
  return Math.exp(sum('nll') / sum('tokens'))
}
