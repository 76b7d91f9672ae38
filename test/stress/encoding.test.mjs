// Encoding and packing a corpus: memory does not grow with it, and the event loop stays free.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { full, report, rounds } from '../helpers/stress.mjs'
import { byteLevelTokenizer } from '../helpers/tokenizers.mjs'

const MEGABYTES = rounds({ quick: 6, full: 200 })
/** What may be in memory for each document, besides noise. */
const BYTES_A_DOCUMENT = 40
const NOISE = 96 // MB: when collections happen to run

const home = temporaryFolder({ 'tokenizer/tokenizer.json': byteLevelTokenizer() })

function writeCorpus(name, megabytes) {
  const path = join(home, name)
  const file = openSync(path, 'w')
  let documents = 0
  for (let size = 0; size < megabytes * 1e6; documents++) {
    const words = Array.from(
      { length: 20 + (documents % 60) },
      (_, i) => `${(documents * 31 + i * 17) % 9973}`,
    )
    size += writeSync(file, `${JSON.stringify({ text: `你好 ${words.join(' hello ')}` })}\n`)
  }
  closeSync(file)
  return { path, documents }
}

function encode({ path }, cache) {
  const args = [
    join(clone, 'bench/tokenise_ours.mjs'),
    path,
    join(home, 'tokenizer'),
    join(home, cache),
    '256',
  ]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

test('memory does not grow with the corpus, but for a few bytes a document', (t) => {
  const small = writeCorpus('small.jsonl', MEGABYTES / 6)
  const large = writeCorpus('large.jsonl', MEGABYTES)
  const [before, after] = [encode(small, 'a'), encode(large, 'b')]
  const grown = after.peak_rss_mb - before.peak_rss_mb
  const delay = after.loop_delay_ms
  report(
    t,
    `${MEGABYTES} MB: ${after.peak_rss_mb.toFixed(0)} MB at most, ${grown.toFixed(0)} more than with a sixth of it; ` +
      `the loop is late by p50 ${delay.p50.toFixed(1)} ms, p99 ${delay.p99.toFixed(1)} ms`,
  )
  const allowed = NOISE + (BYTES_A_DOCUMENT * (large.documents - small.documents)) / 2 ** 20
  assert.ok(grown < allowed, `grown by ${grown} MB, ${allowed} are allowed`)
  if (full) assert.ok(delay.p99 < 20, `p99 ${delay.p99} ms`)
})
