/** The files of a new tokenizer. */
import type { JsonObject } from '../../../checkpoint/json_file'
import { provenance, recordInput } from '../../../checkpoint/provenance'
import { carryOver, isTemplate, writeJson, writeText } from '../../../checkpoint/write_folder'
import { toYaml } from '../../../config/parse'
import { withIds } from '../../../text/bpe/blueprint'
import type { FreshVocabulary } from '../../../text/bpe/fresh'
import { tokenizerJson } from '../../../text/bpe/tokenizer_json'
import { recordFiles } from '../sources'
import type { Plan } from './plan'

/** tokenizer.json as text. */
export function tokenizerFile({ blueprint }: Plan, { tokens, merges }: FreshVocabulary): string {
  const { special, normalizer, pre_tokenizer, post_processor, decoder } = blueprint
  const ids = new Map(special.map(({ content }, id) => [content, id]))
  const content: JsonObject = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map(({ content: text, flags }, id) => ({ id, content: text, ...flags })),
    normalizer,
    pre_tokenizer,
    post_processor: withIds(post_processor, ids),
    decoder,
  }
  const model = {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    merges,
  }
  return tokenizerJson(
    content,
    model,
    tokens.map((token, id) => [token, id] as const),
  )
}

/** Writes all of them but report.json. Throws ERR_NO_SPACE, ERR_IO. */
export async function save(
  staged: string,
  plan: Plan,
  json: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { config, like, template, files } = plan
  await writeText(staged, 'tokenizer.json', json)
  if (template !== undefined) await writeText(staged, 'chat_template.jinja', template)
  else if (like)
    await carryOver(like, staged, new Set(like.auxiliaryFiles.filter((name) => !isTemplate(name))))
  await writeJson(staged, 'tokenizer_config.json', tokenizerConfig(plan))
  await writeText(staged, 'resolved.yaml', toYaml({ verb: 'vocab train', ...config }))
  const records = await recordFiles(files, signal)
  if (like) records.push(await recordInput('like', like.path, ['tokenizer.json'], signal))
  await writeJson(staged, 'provenance.json', provenance('vocab train', records, {}))
}

function tokenizerConfig({ like, template, named, blueprint }: Plan): JsonObject {
  // Ids of the other vocabulary; ours stand in tokenizer.json.
  const { added_tokens_decoder: _, chat_template: theirs, ...kept } = like?.tokenizer.config ?? {}
  const tags = blueprint.special.map(({ content }) => content)
  return {
    clean_up_tokenization_spaces: false,
    model_max_length: 1e30,
    ...kept,
    ...(template === undefined && theirs !== undefined && { chat_template: theirs }),
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...named,
    additional_special_tokens: tags.filter((token) => !Object.values(named).includes(token)),
  }
}
