// Templates of task files: what jinja2 makes of them (golden/doc_templates), and what is refused.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DocTemplate } from '#lib/text/doc_template'

const golden = (name) =>
  JSON.parse(readFileSync(new URL(`../golden/doc_templates/${name}.json`, import.meta.url), 'utf8'))
const filled = (text, record) => new DocTemplate(text, 'test').render(record)

const { record, templates } = golden('cases')
const expected = golden('expected')

test('templates are filled in as jinja2 does it in the harness', () => {
  assert.deepEqual(Object.keys(expected), templates)
  for (const text of templates) assert.equal(filled(text, record), expected[text], text)
})

test('a field is stronger than a function of its name, and no field than true, false and none', () => {
  assert.equal(filled('{{range}} {{namespace}}', { range: '1 km', namespace: 'x' }), '1 km x')
  assert.equal(filled('{{true}} {{none}}', { true: 'a', none: 'b' }), 'True None')
})

test('what a record has not is an error, unless the template asks whether it is there', () => {
  const refused = (text, message) =>
    assert.throws(() => filled(text, { obj: {}, list: [{ a: 'x' }] }), { code: 'ERR_TEMPLATE', message })
  refused('{{missing}}', /^test: the record has no field missing$/)
  refused('{{missing.part|default("x")}}', /no field missing/)
  refused('{{missing|trim|default("x")}}', /no field missing/)
  refused('{{missing is none}}', /no field missing/)
  refused('{% if missing %}x{% endif %}', /no field missing/)
  refused('{{obj.part}}', /there is no part in a field/)
  refused('{{cycler(1)}}', /no field cycler/)
  refused('{{list|join(", ", attribute="a")}}', /join takes no attribute/)
  refused('{{list|sum}}', /Unknown ArrayValue filter: sum/)
})
