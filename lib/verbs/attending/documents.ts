/** What an encoder attends to, one by one: utterances through its front end, or texts as its tokenizer cuts them. */
import { FrontEnd } from '../../audio/front_end'
import { listAudio } from '../../audio/list'
import { hearAll } from '../../audio/stream'
import type { EncoderSpec } from '../../checkpoint/encoder_config'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { SpeechSpec } from '../../checkpoint/speech_config'
import type { SoundAttention, TextAttention } from '../../config/attention'
import type { AttendedDocument } from '../../native'
import { corpusTexts } from '../../text/bpe/corpus_texts'
import { loadModelText } from '../../text/model_text'
import { cutToFit } from '../encoder'

export interface Documents {
  /** How many there are. */
  count: number
  /** In their order, each with the places that attend to each other. */
  all(): AsyncIterable<{ places: number; document: AttendedDocument }>
  close(): Promise<void>
}

export interface ReadingOptions {
  threads: number
  signal?: AbortSignal | undefined
  onWarning?: ((message: string) => void) | undefined
}

/** Throws ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA, ERR_MODEL_CONFIG. */
export async function openSounds(
  files: ModelFolder,
  { frame_width }: SpeechSpec,
  { data, limit }: SoundAttention,
  { threads, signal, onWarning }: ReadingOptions,
): Promise<Documents> {
  const frontEnd = await FrontEnd.open(files.path)
  frontEnd.requireWidth(frame_width, files.path)
  const listed = await listAudio(data, { leastSeconds: frontEnd.leastSeconds, signal, onWarning })
  const utterances = listed.utterances.slice(0, limit)
  return {
    count: utterances.length,
    async *all() {
      for await (const { sound } of hearAll(utterances, frontEnd, { signal, threads }))
        yield { places: sound.places, document: { sound: sound.data, frame_width } }
    },
    close: () => frontEnd.dispose(),
  }
}

/** Throws ERR_NOT_FOUND, ERR_IO, ERR_DATA, ERR_TOKENIZER. */
export async function openTexts(
  files: ModelFolder,
  spec: EncoderSpec,
  { data, limit = Number.POSITIVE_INFINITY }: TextAttention,
  options: ReadingOptions,
): Promise<Documents> {
  const { tokenizer } = await loadModelText(files)
  const rows: Int32Array[] = []
  for await (const text of corpusTexts(data, options)) {
    if (rows.length === limit) break
    rows.push(...(await cutToFit(await tokenizer.encodeBatch([text]), tokenizer, spec)))
  }
  return {
    count: rows.length,
    async *all() {
      for (const ids of rows) yield { places: ids.length, document: { ids } }
    },
    close: async () => {},
  }
}
