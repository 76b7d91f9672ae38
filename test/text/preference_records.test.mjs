import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guessFormat, readRecord } from '#lib/text/record_formats'

const user = (content) => ({ role: 'user', content })
const bot = (content) => ({ role: 'assistant', content })
const read = (record) => readRecord('preference', record)
const expected = { prompt: [user('q')], chosen: [bot('a')], rejected: [bot('b')] }

test('every way to write a preference means the same', () => {
  const [from, value] = [{ from: 'human', value: 'q' }, (text) => ({ from: 'gpt', value: text })]
  const ways = {
    texts: { prompt: 'q', chosen: 'a', rejected: 'b' },
    'turns after a prompt': { prompt: [user('q')], chosen: [bot('a')], rejected: [bot('b')] },
    'a prompt as text, answers with it': {
      prompt: 'q',
      chosen: [user('q'), bot('a')],
      rejected: [user('q'), bot('b')],
    },
    'whole conversations': { chosen: [user('q'), bot('a')], rejected: [user('q'), bot('b')] },
    'LLaMA-Factory': { conversations: [from], chosen: value('a'), rejected: value('b') },
    'ShareGPT lists': { chosen: [from, value('a')], rejected: [from, value('b')] },
    dialogues: { chosen: '\n\nHuman: q\n\nAssistant: a', rejected: '\n\nHuman: q\n\nAssistant: b' },
    'a dialogue as prompt': { prompt: '\n\nHuman: q\n\nAssistant:', chosen: ' a', rejected: ' b' },
  }
  for (const [name, record] of Object.entries(ways)) {
    assert.equal(guessFormat([record]), 'preference', name)
    const { prompt, chosen, rejected } = read(record)
    const bare = (turns) => turns.map(({ role, content }) => ({ role, content: content.trim() }))
    assert.deepEqual({ prompt: bare(prompt), chosen: bare(chosen), rejected: bare(rejected) }, expected, name)
  }
})

test('the prompt reaches to where the answers part, and holds the system turn', () => {
  const shared = [user('1'), bot('2'), user('3')]
  const record = { chosen: [...shared, bot('a'), user('4'), bot('5')], rejected: [...shared, bot('b')] }
  assert.deepEqual(read(record), {
    prompt: shared,
    chosen: [bot('a'), user('4'), bot('5')],
    rejected: [bot('b')],
  })
  assert.deepEqual(read({ system: 's', prompt: 'q', chosen: 'a', rejected: 'b' }).prompt, [
    { role: 'system', content: 's' },
    user('q'),
  ])
})

test('equal answers are kept apart from their prompt, and an empty answer is one', () => {
  assert.deepEqual(read({ prompt: 'q', chosen: 'a', rejected: 'a' }), { ...expected, rejected: [bot('a')] })
  const dialogue = (answer) => `\n\nHuman: q\n\nAssistant:${answer}`
  assert.deepEqual(read({ chosen: dialogue(' a'), rejected: dialogue('') }), {
    ...expected,
    rejected: [bot('')],
  })
})

test('what cannot be compared is a problem that is named', () => {
  const problem = (record) => read(record).problem
  assert.match(problem({ prompt: 'q', chosen: 'a' }), /expected chosen and rejected, found prompt, chosen/)
  assert.match(problem({ chosen: 'a', rejected: 'b' }), /expected a prompt that chosen and rejected answer/)
  assert.match(
    problem({ chosen: [user('q'), user('r'), bot('a')], rejected: [user('q'), bot('b')] }),
    /expected chosen to answer the prompt/,
  )
  assert.match(
    problem({ prompt: 'q', chosen: [bot('a'), user('x')], rejected: 'b' }),
    /expected chosen to answer/,
  )
  assert.match(problem({ prompt: 'q', chosen: 3, rejected: 'b' }), /chosen\[0\] to have a role/)
  assert.match(problem({ prompt: 'q', chosen: 'a', rejected: null }), /rejected\[0\] to have a role/)
  assert.match(problem({ conversations: [{}], chosen: 'a', rejected: 'b' }), /conversations\[0\]/)
})
