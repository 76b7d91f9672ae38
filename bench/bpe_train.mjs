// Learn a byte-level vocabulary, against the trainer of the Python library `tokenizers`, pair by pair, each in a process
// of its own, from the same file to the same number of tokens: node bench/bpe_train.mjs TEXT... (PYTHON: one with
// tokenizers; SIZE: 32000; THREADS: 2; PAIRS: 3). A text a line; of .jsonl, the key "text".
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine, summary } from './statistics.mjs'

const texts = process.argv.slice(2)
if (texts.length === 0) throw new Error('usage: node bench/bpe_train.mjs TEXT...')
const { PYTHON = 'python3', SIZE = '32000', THREADS = '2', PAIRS = '3' } = process.env
const MIN_COUNT = 2
const CUT = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
const corpus = join(folder, 'corpus.txt')

function linesOf(path) {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  return path.endsWith('.jsonl') ? lines.map((line) => JSON.parse(line).text.replaceAll('\n', ' ')) : lines
}

function run(program, args, { input = '', env = {} } = {}) {
  const options = { encoding: 'utf8', input, env: { ...process.env, ...env }, maxBuffer: 2 ** 24 }
  return JSON.parse(execFileSync(program, args, options))
}

const ours = () =>
  run(process.execPath, [
    here('bpe_train_ours.mjs'),
    corpus,
    JSON.stringify(CUT),
    SIZE,
    String(MIN_COUNT),
    THREADS,
  ])
const peer = () => {
  const task = { file: corpus, pre_tokenizer: CUT, alphabet: 'bytes', vocab_size: Number(SIZE) }
  return run(PYTHON, [here('../test/parity/bpe_reference.py'), 'time'], {
    input: JSON.stringify({ ...task, min_frequency: MIN_COUNT }),
    env: { RAYON_NUM_THREADS: THREADS, PYTHONDONTWRITEBYTECODE: '1' },
  })
}

writeFileSync(corpus, `${texts.flatMap(linesOf).join('\n')}\n`)
const pairs = Array.from({ length: Number(PAIRS) }, (_, i) =>
  i % 2 === 0 ? { ours: ours(), peer: peer() } : { peer: peer(), ours: ours() },
)
const of = (who, key) => summary(pairs.map((pair) => pair[who][key]))
const side = (who) =>
  Object.fromEntries(['seconds', 'cpu_seconds', 'peak_rss_mb'].map((key) => [key, of(who, key)]))
const result = {
  ...machine(),
  corpus_bytes: statSync(corpus).size,
  size: Number(SIZE),
  threads: Number(THREADS),
  vocab_size: [pairs[0].ours.vocab_size, pairs[0].peer.vocab_size],
  words: pairs[0].ours.words,
  ours: { ...side('ours'), counting_seconds: of('ours', 'counting_seconds') },
  loop_delay_ms: pairs[0].ours.loop_delay_ms,
  peer: side('peer'),
  faster: summary(pairs.map((pair) => pair.peer.seconds / pair.ours.seconds)),
  memory: summary(pairs.map((pair) => pair.ours.peak_rss_mb / pair.peer.peak_rss_mb)),
}
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
rmSync(folder, { recursive: true })
