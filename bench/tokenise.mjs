// Tokenise and pack a corpus, against Python's `datasets` with the fast tokenizer, pair by pair, each in a process of its
// own: node bench/tokenise.mjs TOKENIZER_FOLDER TEXT... (PYTHON: one with datasets and transformers; MEGABYTES: 64;
// PAIRS: 3; PEER=none measures ours alone). The texts are repeated up to that size.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine, summary } from './statistics.mjs'

const [tokenizer, ...texts] = process.argv.slice(2)
if (texts.length === 0) throw new Error('usage: node bench/tokenise.mjs TOKENIZER_FOLDER TEXT...')
const { PYTHON = 'python3', MEGABYTES = '64', PAIRS = '3', PEER } = process.env
const ROW = 2048
const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))

/** Texts of about 2000 characters, as web documents are; a paragraph that is longer is cut at the end of a line. */
function documentsOf(path) {
  const lines = readFileSync(path, 'utf8').split('\n')
  const texts = path.endsWith('.jsonl') ? lines.filter(Boolean).map((line) => JSON.parse(line).text) : lines
  const documents = []
  let document = ''
  for (const text of texts) {
    document += `${text}\n`
    if (document.length < 2000) continue
    documents.push(document.trim())
    document = ''
  }
  return documents
}

/** Writes documents as records {"text"}, in another order each round; returns the bytes of text in them. */
function writeCorpus(path, bytes) {
  const documents = texts.flatMap(documentsOf)
  const file = openSync(path, 'w')
  let size = 0
  for (let round = 0; size < bytes; round++) {
    let lines = ''
    for (let i = 0; i < documents.length && size < bytes; i++) {
      const text = documents[(i * (2 * round + 1) + round) % documents.length]
      size += Buffer.byteLength(text)
      lines += `${JSON.stringify({ text })}\n`
    }
    writeSync(file, lines)
  }
  closeSync(file)
  return size
}

const run = (program, args) => {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 24 }
  return JSON.parse(execFileSync(program, args, options).trim().split('\n').at(-1))
}
const ours = (corpus) => {
  const cache = mkdtempSync(join(folder, 'cache-'))
  const result = run(process.execPath, [here('tokenise_ours.mjs'), corpus, tokenizer, cache, ROW])
  rmSync(cache, { recursive: true })
  return result
}
const peer = (corpus, processes) => {
  const cache = mkdtempSync(join(folder, 'peer-'))
  const result = run(PYTHON, [
    here('tokenise_datasets.py'),
    corpus,
    tokenizer,
    cache,
    `${ROW}`,
    `${processes}`,
  ])
  rmSync(cache, { recursive: true })
  return result
}

try {
  const corpus = join(folder, 'corpus.jsonl')
  const bytes = writeCorpus(corpus, Number(MEGABYTES) * 1e6)
  const kinds = {
    ours: () => ours(corpus),
    ...(PEER !== 'none' && {
      'datasets, threads': () => peer(corpus, 1),
      'datasets, 2 processes': () => peer(corpus, 2),
    }),
  }
  const runs = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]))
  for (let pair = 0; pair < Number(PAIRS); pair++)
    for (const [name, measure] of Object.entries(kinds)) runs[name].push(measure())
  const results = Object.fromEntries(
    Object.entries(runs).map(([name, list]) => {
      const last = list.at(-1)
      const speed = summary(list.map((one) => bytes / 1e6 / one.seconds))
      const of = (key) => summary(list.map((one) => one[key]))
      return [name, { ...last, mb_per_second: speed, seconds: of('seconds'), cpu_seconds: of('cpu_seconds') }]
    }),
  )
  process.stdout.write(
    `${JSON.stringify({ machine: machine(), megabytes: bytes / 1e6, results }, null, 2)}\n`,
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
