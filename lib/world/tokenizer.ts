/**
 * The tokenizer of the demo's models, as the files of a Hugging Face folder: one token a word, `<bos>` before plain
 * text, a chat template of one tag a role. Case is ignored and marks may touch words, so that people can type freely.
 */
import { join } from 'node:path'
import { mkdir, writeFile } from '../writes'
import { PUNCTUATION, WORDS_A, WORDS_B } from './words'

/** Tokens with a job. They come first, in this order, so <pad> is 0 and <bos> is 1. */
export const SPECIAL_TOKENS = ['<pad>', '<bos>', '<user>', '<assistant>', '<eot>', '<unk>'] as const
export type SpecialToken = (typeof SPECIAL_TOKENS)[number]

/** Every token in the order of its id. */
export const VOCABULARY: readonly string[] = [...SPECIAL_TOKENS, ...PUNCTUATION, ...WORDS_A, ...WORDS_B]

const IDS = new Map(VOCABULARY.map((token, id) => [token, id]))

/** The id of a token, which must exist. */
export function tokenId(token: string): number {
  const id = IDS.get(token)
  if (id === undefined) throw new RangeError(`the demo's vocabulary has no token ${JSON.stringify(token)}`)
  return id
}

/** `<bos><user> QUESTION <eot><assistant> ANSWER <eot>`; an empty turn has its tags and nothing between them. */
export const CHAT_TEMPLATE = [
  '{{- bos_token -}}',
  '{%- for message in messages -%}',
  "{%- if message['role'] not in ['user', 'assistant'] -%}",
  "{{- raise_exception('this model knows the roles user and assistant only') -}}",
  '{%- endif -%}',
  "{{- '<' + message['role'] + '>' -}}",
  "{%- if message['content'] -%}{{- ' ' + message['content'] + ' ' -}}{%- endif -%}",
  "{{- '<eot>' -}}",
  '{%- endfor -%}',
  "{%- if add_generation_prompt -%}{{- '<assistant>' -}}{%- endif -%}",
].join('\n')

/** A question as the model sees it before it answers. */
export function chatPrompt(question: string): string {
  return question === '' ? '<bos><user><eot><assistant>' : `<bos><user> ${question} <eot><assistant>`
}

/**
 * Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat_template.jinja and generation_config.json.
 * `endOfTurn` says whether the model stops at `<eot>`: a chat model does; a base model has read no such token, stops
 * at nothing, and so shows what graft adds to it.
 */
export async function writeTokenizer(
  directory: string,
  { endOfTurn }: { endOfTurn: boolean },
): Promise<void> {
  await mkdir(directory, { recursive: true })
  const write = (name: string, content: unknown): Promise<void> =>
    writeFile(join(directory, name), `${JSON.stringify(content, null, 2)}\n`)
  await write('tokenizer.json', tokenizerJson())
  await write('tokenizer_config.json', tokenizerConfig(endOfTurn))
  await write('generation_config.json', generationConfig(endOfTurn))
  await writeFile(join(directory, 'chat_template.jinja'), CHAT_TEMPLATE)
}

function tokenizerJson(): object {
  const added = SPECIAL_TOKENS.map((content) => ({
    id: tokenId(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }))
  const bos = { SpecialToken: { id: '<bos>', type_id: 0 } }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: { type: 'Lowercase' },
    // Words and runs of marks, whitespace dropped: the spaces around tags never become tokens.
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [bos, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [bos, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<bos>': { id: '<bos>', ids: [tokenId('<bos>')], tokens: ['<bos>'] } },
    },
    // Without a decoder, tokens are joined by single spaces: just what word-level text needs.
    decoder: null,
    model: { type: 'WordLevel', vocab: Object.fromEntries(IDS), unk_token: '<unk>' },
  }
}

function tokenizerConfig(endOfTurn: boolean): object {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<bos>',
    eos_token: endOfTurn ? '<eot>' : null,
    pad_token: '<pad>',
    unk_token: '<unk>',
    additional_special_tokens: ['<user>', '<assistant>', '<eot>'],
    clean_up_tokenization_spaces: false,
    model_max_length: 256,
  }
}

function generationConfig(endOfTurn: boolean): object {
  return {
    bos_token_id: tokenId('<bos>'),
    eos_token_id: endOfTurn ? tokenId('<eot>') : null,
    pad_token_id: tokenId('<pad>'),
  }
}
