import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StopStrings } from '#lib/text/stop_strings'

const letters = (min, max) =>
  fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: min, maxLength: max })

test('however the text is cut, what comes out is what stands before the first stop string', () => {
  fc.assert(
    fc.property(
      fc.array(letters(0, 4), { maxLength: 12 }),
      fc.array(letters(1, 4), { maxLength: 3 }),
      (pieces, stops) => {
        const stream = new StopStrings(stops)
        let out = ''
        for (const piece of pieces) {
          out += stream.push(piece)
          if (stream.found) break
        }
        out += stream.flush()
        const text = pieces.join('')
        // The stream sees stop strings as they end, a search of the whole as they begin: compare with the former.
        const ends = stops.map((stop) => text.indexOf(stop)).filter((place) => place >= 0)
        if (ends.length === 0) {
          assert.equal(stream.found, false)
          assert.equal(out, text)
        } else {
          assert.equal(stream.found, true)
          assert.ok(text.startsWith(out))
          assert.ok(stops.some((stop) => text.startsWith(stop, out.length)))
          for (const stop of stops) assert.ok(!out.includes(stop))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('nothing that may begin a stop string is given out before it is decided', () => {
  const stream = new StopStrings(['###'])
  assert.equal(stream.push('a#'), 'a')
  assert.equal(stream.push('#b'), '##b')
  assert.equal(stream.push('##'), '')
  assert.equal(stream.flush(), '##')
})
