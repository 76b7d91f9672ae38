// Every hostile input of the corpus gets one clear, coded, cheap answer; every well-formed one is taken.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { corpus } from './corpus.mjs'
import { seed } from './making/random.mjs'
import { judge } from './runner.mjs'

const word = process.env.TONGUEFORGE_HOSTILE
const rows = corpus().filter(({ format, name }) => !word || `${format}: ${name}`.includes(word))
const figures = { refused: 0, damaged: 0, accepted: 0, cpuMs: 0, rssBytes: 0, loopMs: 0, sum: 0 }

for (const format of new Set(rows.map((row) => row.format))) {
  const cases = rows.filter((row) => row.format === format)
  test(`${format}: ${cases.length} inputs are answered as they should be`, { timeout: 600_000 }, async () => {
    const failures = []
    for (const one of cases) {
      const { problems, cpuMs, rssBytes, loopMs, code, error } = await judge(one)
      figures[one.either ? 'damaged' : one.code ? 'refused' : 'accepted']++
      if (cpuMs > figures.cpuMs) Object.assign(figures, { cpuMs, slowest: `${format}: ${one.name}` })
      if (rssBytes > figures.rssBytes) Object.assign(figures, { rssBytes, largest: `${format}: ${one.name}` })
      if (loopMs > figures.loopMs) Object.assign(figures, { loopMs, latest: `${format}: ${one.name}` })
      figures.sum += cpuMs
      if (word)
        console.log(
          `${one.name}: ${cpuMs.toFixed(1)} ms, ${mega(rssBytes)}, late ${loopMs.toFixed(0)} ms, ${code} ${error?.message ?? ''}`,
        )
      if (problems.length > 0) failures.push(`${one.name}: ${problems.join('; ')}`)
    }
    assert.equal(
      failures.length,
      0,
      `seed ${seed}, ${failures.length} of ${cases.length}:\n${failures.join('\n')}`,
    )
  })
}

test('names are not given twice, so that a failure names its case', () => {
  const names = rows.map(({ format, name }) => `${format}: ${name}`)
  const twice = names.filter((name, i) => names.indexOf(name) !== i)
  assert.deepEqual(twice, [])
})

test('what it cost', (t) => {
  const { refused, damaged, accepted, cpuMs, slowest, rssBytes, largest, loopMs, latest, sum } = figures
  t.diagnostic(
    `${refused} refused, ${damaged} damaged, ${accepted} accepted, ${(sum / 1000).toFixed(1)} s of CPU; slowest ${cpuMs.toFixed(0)} ms (${slowest}); largest ${mega(rssBytes)} (${largest}); event loop late by ${loopMs.toFixed(0)} ms (${latest}); seed ${seed}`,
  )
})

const mega = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`
