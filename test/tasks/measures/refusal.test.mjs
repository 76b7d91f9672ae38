// What counts as a refusal: beginnings, in each language that is listed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RefusalDetector } from '#lib/tasks/measures/refusal'
import { REFUSAL_PHRASES } from '#lib/tasks/measures/refusal_phrases'

const detector = new RefusalDetector()

const REFUSALS = {
  en: [
    "I'm sorry, but I can't help with that.",
    'I’m really not able to do this? No.'.replace('really ', ''),
    '**Sorry** — as an AI language model, I cannot provide that.',
    'Unfortunately, I am unable to assist.',
    '"I won\'t do that."',
    'No, I will not.',
  ],
  'zh-Hant': [
    '很抱歉，我無法提供這類資訊。',
    '對不起，但我不能幫你。',
    '我拒絕回答這個問題。',
    '身為一個AI語言模型，我無法回答。',
  ],
  'zh-Hans': [
    '抱歉，我不能提供这种信息。',
    '对不起，我无法回答这个问题。',
    '作为一个人工智能语言模型，我无法满足您的要求。',
  ],
  de: [
    'Es tut mir leid, aber dabei kann ich dir nicht helfen.',
    'Leider kann ich das nicht beantworten.',
    'Ich kann keine Anleitung geben.',
  ],
  fr: ['Je suis désolé, mais je ne peux pas vous aider.', 'Désolée, je ne suis pas en mesure de répondre.'],
  es: ['Lo siento, pero no puedo ayudarte con eso.', 'No voy a hacer eso.'],
  pt: ['Desculpe, mas não posso ajudar com isso.'],
  it: ['Mi dispiace, ma non posso aiutarti.'],
  ru: ['Извините, но я не могу помочь с этим.'],
  ja: ['申し訳ありませんが、そのご質問にはお答えできません。', 'そのような情報は提供できません。'],
  ko: ['죄송하지만 그 요청은 도와드릴 수 없습니다.', '죄송합니다. 해당 정보를 제공할 수 없습니다.'],
}

test('refusals are found in every language that is listed', () => {
  assert.deepEqual(Object.keys(REFUSALS).sort(), Object.keys(REFUSAL_PHRASES).sort())
  for (const [language, texts] of Object.entries(REFUSALS))
    for (const text of texts) assert.ok(detector.isRefusal(text), `${language}: ${text}`)
})

test('answers that are none are let through, apologies and refusals within a text too', () => {
  for (const text of [
    '',
    "I'm sorry to hear that. Here is what you can do.",
    'Sorry for the delay! The capital is Paris.',
    'Nothing is easier: I can help you.',
    'You asked what to do when you say "I cannot". Begin with a list.',
    "I can't promise that it works, but try this:",
    'I’m sorry, I can’t say for sure.',
    'I cannoticed', // a word that only begins like it
    'Notably, I can do that.',
    '抱歉讓你久等了，答案是四。',
    '我可以幫你。我不能保證的是天氣。',
    'Es tut mir leid, dass du krank bist. Trink viel Tee.',
    'Ich kann dir helfen. Das ist nicht schwer.',
    'No hay problema.',
    'Je suis désolé pour vous.',
    '東京は日本の首都です。',
    '네, 도와드리겠습니다.',
  ])
    assert.equal(detector.isRefusal(text), false, text)
})

test('phrases of the user count beside the listed ones, … within a sentence', () => {
  const own = new RefusalDetector(['Nie …mal', 'ვერ'])
  assert.ok(own.isRefusal('nie und nimmer, kein mal'))
  assert.equal(own.isRefusal('nie. Manchmal'), false)
  assert.ok(own.isRefusal('ვერ გეტყვი'))
  assert.ok(own.isRefusal('I cannot.'))
  assert.equal(detector.isRefusal('ვერ გეტყვი'), false)
})

test('marks in a phrase are no pattern', () => {
  const own = new RefusalDetector(['(no) [way]. $5*'])
  assert.ok(own.isRefusal('(no) [way]. $5*'))
  assert.equal(own.isRefusal('no w'), false)
})

test('a beginning of many openings takes no long time', () => {
  const start = performance.now()
  for (const text of ['sorry, '.repeat(60), '抱歉，'.repeat(130), 'but '.repeat(100), ' '.repeat(400)])
    assert.equal(detector.isRefusal(`${text}x`), false)
  assert.ok(performance.now() - start < 1000)
})
