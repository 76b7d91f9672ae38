// Chat templates that write the time, in the cache: of which day an entry is, and that it has one time.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ChatTemplate } from '#lib/text/chat_template'
import { contents, jsonl, open, text, texts, tokenizer } from '../../helpers/cached_sources.mjs'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { CHATML } from '../../helpers/tokenizers.mjs'

test('what a template makes of the time decides: another day is another entry where documents have the date', async () => {
  const path = join(temporaryFolder({ 'a.jsonl': jsonl([{ text: 'hello' }]) }), 'a.jsonl')
  const turns = [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'hello' },
  ]
  const talks = join(temporaryFolder({ 'a.jsonl': jsonl([{ messages: turns }]) }), 'a.jsonl')
  const endOfTurnId = tokenizer.tokenToId('<|im_end|>')
  const written = "{% if messages[0].role != 'system' %}{{ strftime_now('%d %b %Y') }}{% endif %}"
  const aliased = '{% set ask = strftime_now %}'
  const asked = '{% if strftime_now is defined %}{% set a = 1 %}{% endif %}'
  // Objective, options, what stands before the template, and which of the same day, its next hour and the next day hit.
  const cases = [
    ['inscp', { loss: 'all' }, written, [true, true, false]],
    ['inscp', { loss: 'all', system: 'be kind' }, written, [true, true, true]],
    ['sft', { loss: 'all' }, written, [true, true, false]],
    ['sft', { loss: 'all' }, written.replace('%d', '%H'), [true, false, true]],
    ['sft', { loss: 'all' }, aliased, [true, false, false]],
    ['sft', { loss: 'all' }, asked, [true, true, true]],
    ['cp', { loss: 'all' }, written, [true, true, true]],
  ]
  for (const [objective, options, before, expected] of cases) {
    const cache = temporaryFolder()
    const at = (day, hour) => {
      const template = new ChatTemplate(before + CHATML, { now: () => new Date(2026, 10, day, hour) })
      const encoding = { objective, options, text: { ...text, endOfTurnId, template } }
      return open(objective === 'sft' ? talks : path, { cache }, encoding)
    }
    const first = await at(3, 9)
    const hits = []
    for (const [day, hour] of [
      [3, 9],
      [3, 10],
      [4, 9],
    ]) {
      const { cached, tokens } = await at(day, hour)
      hits.push(cached)
      const [fresh] = await contents((await at(day, hour)).tokens)
      assert.deepEqual((await contents(tokens))[0], fresh)
    }
    assert.deepEqual(hits, expected, JSON.stringify([objective, options, before]))
    const shown = await tokenizer.decode(Int32Array.from((await contents(first.tokens))[0].ids))
    assert.equal(shown.includes('03 Nov 2026'), before === written && objective !== 'cp' && !options.system)
  }
})

test('a template that writes the time has one time in all documents of an entry', async () => {
  let second = 0
  const now = () => new Date(2026, 10, 3, 9, 0, second++)
  const template = new ChatTemplate(`{{ strftime_now('%S') }}|${CHATML}`, { now })
  const endOfTurnId = tokenizer.tokenToId('<|im_end|>')
  const inscp = { objective: 'inscp', options: { loss: 'all' }, text: { ...text, endOfTurnId, template } }
  const path = join(temporaryFolder({ 'a.jsonl': jsonl(texts.map((value) => ({ text: value }))) }), 'a.jsonl')
  const { tokens } = await open(path, { cache: temporaryFolder() }, inscp)
  const starts = []
  for (const { ids } of await contents(tokens))
    starts.push(await tokenizer.decode(Int32Array.from(ids.slice(0, 3))))
  assert.equal(new Set(starts).size, 1)
})
