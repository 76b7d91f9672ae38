/**
 * How assistants refuse. `openings` may stand before a refusal, any number of them, and are none by themselves; `…` stands
 * for anything within the sentence, at the beginning of a phrase too. Small letters, straight apostrophes. A language more is
 * a row more; docs/generation_tasks.md says what is caught and what is not.
 */
export interface RefusalPhrases {
  openings: readonly string[]
  refusals: readonly string[]
  /** Words behind a refusal that make it none: "I can't promise". */
  unless?: readonly string[]
}

const ENGLISH: RefusalPhrases = {
  openings: [
    ...[
      "i'm sorry",
      'i am sorry',
      'sorry',
      "i'm very sorry",
      "i'm so sorry",
      "i'm really sorry",
      'i apologize',
    ],
    ...['i apologise', 'i am very sorry', 'i am really sorry', 'i am afraid'],
    ...['my apologies', 'unfortunately', 'no', 'i regret', 'i understand', 'hmm', 'well', 'oh', 'okay', 'ok'],
    ...['as an ai', 'as an ai language model', 'as a language model', 'as an ai assistant', 'but', 'however'],
    ...['as a responsible ai', 'as a responsible and ethical ai language model', "i'm afraid", 'and', 'that'],
  ],
  refusals: [
    ...['i cannot', "i can't", 'i can not', "i won't", 'i will not', "i'm unable to", 'i am unable to'],
    ...["i'm not able to", 'i am not able to', "i'm not going to", 'i am not going to', 'i must decline'],
    ...['i have to decline', 'i decline', 'i refuse', "i'm not comfortable", 'i am not comfortable'],
    ...["i don't feel comfortable", 'i do not feel comfortable', "i'd rather not", 'i would rather not'],
    ...["i'm not willing", "i don't think i can", "i don't think i should", "i shouldn't", 'i should not'],
    ...[
      "i don't want to help",
      'i do not want to help',
      "i don't know how to help",
      'i could not possibly',
      'we cannot',
      "we can't",
      "we're not allowed",
    ],
    ...[
      "i don't think that's appropriate",
      "i'm not allowed",
      'i am not allowed',
      "i'm not permitted",
      "it's not appropriate for me to",
    ],
    ...['it is not appropriate for me to', "it wouldn't be appropriate", 'it would not be appropriate'],
    ...["i'm not programmed to", 'i am not programmed to', "i'm just an ai", 'my programming prevents'],
    'that i cannot',
  ],
  unless: [
    ...['promise', 'say for sure', 'say for certain', 'say', 'be sure', 'be certain', 'think of', 'imagine'],
    ...['figure', 'understand', 'see', 'hear', 'wait', 'believe', 'recall', 'remember', 'find', 'locate'],
    ...['guarantee', 'thank', 'stress', 'emphasize', 'agree', 'lie', 'help but', 'recommend … enough'],
  ],
}

const TRADITIONAL_CHINESE: RefusalPhrases = {
  openings: [
    ...[
      '很抱歉',
      '抱歉',
      '非常抱歉',
      '對不起',
      '不好意思',
      '但',
      '但是',
      '不過',
      '可是',
      '請見諒',
      '不行',
      '不可以',
    ],
    ...[
      '作為一個ai',
      '作為ai',
      '作為人工智慧',
      '作為一個人工智慧',
      '身為ai',
      '身為一個ai',
      '身為人工智慧',
      '語言模型',
    ],
    ...['作為一個語言模型', '身為語言模型', '助手', '助理', '作為一個負責任的ai', '根據我的原則'],
  ],
  refusals: [
    ...[
      '我不能',
      '我無法',
      '我沒辦法',
      '我沒有辦法',
      '我不會',
      '我不可以',
      '我拒絕',
      '我必須拒絕',
      '我不願意',
    ],
    ...[
      '我不便',
      '恕我',
      '恕難',
      '無法提供',
      '無法協助',
      '無法回答',
      '無法幫',
      '不能提供',
      '不能協助',
      '不能幫',
    ],
    ...['我不被允許', '我不建議你', '我不建議您', '請不要', '這個問題我無法', '這個要求我無法'],
  ],
}

const SIMPLIFIED_CHINESE: RefusalPhrases = {
  openings: [
    ...[
      '很抱歉',
      '抱歉',
      '非常抱歉',
      '对不起',
      '不好意思',
      '但',
      '但是',
      '不过',
      '可是',
      '请见谅',
      '不行',
      '不可以',
    ],
    ...[
      '作为一个ai',
      '作为ai',
      '作为人工智能',
      '作为一个人工智能',
      '身为ai',
      '身为一个ai',
      '身为人工智能',
      '语言模型',
    ],
    ...['作为一个语言模型', '身为语言模型', '助手', '助理', '作为一个负责任的ai', '根据我的原则'],
  ],
  refusals: [
    ...[
      '我不能',
      '我无法',
      '我没办法',
      '我没有办法',
      '我不会',
      '我不可以',
      '我拒绝',
      '我必须拒绝',
      '我不愿意',
    ],
    ...[
      '我不便',
      '恕我',
      '恕难',
      '无法提供',
      '无法协助',
      '无法回答',
      '无法帮',
      '不能提供',
      '不能协助',
      '不能帮',
    ],
    ...['我不被允许', '我不建议你', '我不建议您', '请不要', '这个问题我无法', '这个要求我无法'],
  ],
}

const GERMAN: RefusalPhrases = {
  openings: [
    ...[
      'es tut mir leid',
      'tut mir leid',
      'das tut mir leid',
      'entschuldigung',
      'entschuldige',
      'leider',
      'nein',
    ],
    ...['ich bedaure', 'ich bedauere', 'verzeihung', 'aber', 'als ki', 'als eine ki', 'als ki-modell'],
    ...['als ki-assistent', 'als ki-sprachmodell', 'als sprachmodell', 'jedoch', 'dass'],
  ],
  refusals: [
    ...['ich kann … nicht', 'ich kann nicht', 'ich kann keine', 'ich kann … keine', 'das kann ich nicht'],
    ...['kann ich … nicht', 'kann ich nicht', 'kann ich … keine', 'ich darf … nicht', 'ich darf keine'],
    ...['ich werde … nicht', 'ich werde keine', 'ich möchte … nicht', 'ich bin nicht in der lage'],
    ...['bin ich nicht in der lage', 'dabei kann ich … nicht', 'ich muss ablehnen', 'das muss ich ablehnen'],
    ...['ich lehne', 'ich weigere mich', 'es ist mir nicht möglich', 'es ist mir nicht erlaubt'],
  ],
}

const FRENCH: RefusalPhrases = {
  openings: [
    ...[
      'je suis désolé',
      'je suis désolée',
      'désolé',
      'désolée',
      'je regrette',
      'excusez-moi',
      'malheureusement',
    ],
    ...[
      'non',
      'mais',
      'en tant que modèle de langage',
      "en tant qu'ia",
      "en tant qu'intelligence artificielle",
    ],
    ...["en tant qu'assistant", 'cependant'],
  ],
  refusals: [
    ...[
      'je ne peux pas',
      'je ne peux',
      'je ne suis pas en mesure',
      'je ne suis pas capable',
      "je n'ai pas le droit",
    ],
    ...[
      'je ne suis pas autorisé',
      'je refuse',
      'je ne vais pas',
      'je ne saurais',
      'je ne puis',
      'je dois refuser',
    ],
    ...['il ne m’est pas possible', "il ne m'est pas possible", "il m'est impossible", 'je préfère ne pas'],
  ],
}

const SPANISH: RefusalPhrases = {
  openings: [
    ...['lo siento', 'lo siento mucho', 'lamento', 'lo lamento', 'disculpa', 'disculpe', 'perdón', 'perdona'],
    ...[
      'desafortunadamente',
      'lamentablemente',
      'no',
      'pero',
      'como modelo de lenguaje',
      'como ia',
      'como una ia',
    ],
    ...['como inteligencia artificial', 'como asistente', 'sin embargo', 'que'],
  ],
  refusals: [
    ...[
      'no puedo',
      'no podré',
      'no me es posible',
      'no soy capaz',
      'no estoy autorizado',
      'no estoy autorizada',
    ],
    ...['no estoy en condiciones', 'me niego', 'no voy a', 'debo negarme', 'me es imposible', 'no debo'],
    ...['prefiero no', 'no me siento cómodo'],
  ],
}

const PORTUGUESE: RefusalPhrases = {
  openings: [
    ...['desculpe', 'desculpa', 'sinto muito', 'lamento', 'infelizmente', 'não', 'mas', 'peço desculpa'],
    ...['como modelo de linguagem', 'como uma ia', 'como ia', 'como um modelo de linguagem'],
  ],
  refusals: [
    ...[
      'não posso',
      'não consigo',
      'não sou capaz',
      'não estou autorizado',
      'não vou',
      'recuso-me',
      'me recuso',
    ],
    ...['eu não posso', 'eu não consigo', 'não é possível para mim', 'não devo'],
  ],
}

const ITALIAN: RefusalPhrases = {
  openings: [
    ...['mi dispiace', 'mi spiace', 'scusa', 'scusi', 'purtroppo', 'no', 'ma', 'come modello linguistico'],
    ...['come intelligenza artificiale', 'in quanto ia', 'in quanto intelligenza artificiale'],
  ],
  refusals: [
    ...['non posso', 'non sono in grado', 'non mi è possibile', 'mi rifiuto', 'non sono autorizzato'],
    ...['devo rifiutare', 'non ho intenzione', 'non voglio aiutar'],
  ],
}

const RUSSIAN: RefusalPhrases = {
  openings: [
    ...['извините', 'простите', 'прошу прощения', 'к сожалению', 'мне жаль', 'мне очень жаль', 'нет', 'но'],
    ...['как ии', 'как языковая модель', 'как искусственный интеллект'],
  ],
  refusals: [
    ...[
      'я не могу',
      'не могу',
      'я не буду',
      'я не стану',
      'я отказываюсь',
      'я вынужден отказать',
      'я не вправе',
    ],
    ...['я не имею права', 'я не в состоянии'],
  ],
}

/** The verb comes last: what stands before it is what is refused. */
const JAPANESE: RefusalPhrases = {
  openings: [
    '申し訳ありません',
    '申し訳ございません',
    'すみません',
    'ごめんなさい',
    '残念ながら',
    'が',
    'いいえ',
  ],
  refusals: [
    ...['…お答えできません', '…お手伝いできません', '…お手伝いすることはできません', '…回答できません'],
    ...['…提供できません', '…提供することはできません', '…お応えできません', '…応じられません', '…お断り'],
    ...['…答えることはできません', '…お答えすることはできません', '…ご提供できません', '…お教えできません'],
    ...[
      '…協力できません',
      '…協力することはできません',
      '…対応できません',
      '…お受けできません',
      '…支援できません',
    ],
  ],
}

const KOREAN: RefusalPhrases = {
  openings: [
    '죄송합니다',
    '죄송하지만',
    '미안하지만',
    '미안합니다',
    '유감스럽게도',
    '안타깝게도',
    '하지만',
    '아니요',
  ],
  refusals: [
    ...[
      '…도와드릴 수 없',
      '…도와줄 수 없',
      '…도울 수 없',
      '…제공할 수 없',
      '…제공해 드릴 수 없',
      '…답변할 수 없',
    ],
    ...[
      '…답변드릴 수 없',
      '…대답할 수 없',
      '…해드릴 수 없',
      '…해 드릴 수 없',
      '…알려드릴 수 없',
      '…알려 드릴 수 없',
    ],
    ...['…응할 수 없', '…거절', '…도와 드릴 수 없', '…말씀드릴 수 없', '…지원할 수 없'],
  ],
}

export const REFUSAL_PHRASES: Readonly<Record<string, RefusalPhrases>> = {
  en: ENGLISH,
  'zh-Hant': TRADITIONAL_CHINESE,
  'zh-Hans': SIMPLIFIED_CHINESE,
  de: GERMAN,
  fr: FRENCH,
  es: SPANISH,
  pt: PORTUGUESE,
  it: ITALIAN,
  ru: RUSSIAN,
  ja: JAPANESE,
  ko: KOREAN,
}
