/** Which language texts are in: by the detector that comes along, or by a model of fastText's such as lid.176. */
import { checkOptions, type Kinds, textsOption } from '../config/call_options'
import { runJob } from '../native'
import { detectByEld } from '../text/language/eld'
import { scriptOf } from '../text/language/script'
import { languageTag, UNDETERMINED, withChineseScript } from '../text/language/tag'
import { HeldHandle, type RunOnHandle } from './held_handle'

export interface LanguageOptions {
  /** A classifier of fastText's, .bin or .ftz; default: the detector that comes along. */
  model?: string | undefined
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

const OPTIONS: Kinds<LanguageOptions> = { model: 'text', signal: 'signal' }

/** The language and the script of a text, and how well they fit it. */
export interface IdentifiedLanguage {
  /** As BCP 47 has it: "de", "zh-Hant"; "und" where nothing is known. */
  language: string
  /** ISO 15924, of most letters: "Latn", "Hant"; "Zyyy" where there are none. */
  script: string
  /**
   * Of a fastText model its probability, which may be 1.00001; else how alike the text is to the language, from 0 to 1.
   * Not to be compared between the two.
   */
  score: number
}

/** Texts whose languages are told in one call of a thread: an abort waits for no more. */
const AT_ONCE = 64

interface Guess {
  language: string
  score: number
}

/** Guesses for a few texts, in their order. */
type Detector = (texts: readonly string[], signal?: AbortSignal) => Promise<(Guess | undefined)[]>

/** A loaded classifier of languages. */
export class LanguageIdentifier {
  constructor(
    /** Those that it tells apart, where it says so: a fastText model does. */
    readonly languages: readonly string[] | undefined,
    private readonly held?: HeldHandle,
  ) {}

  /** The language of each text, in their order. Rejects with `signal.reason`, or ERR_DISPOSED. */
  async identify(
    texts: readonly string[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<IdentifiedLanguage[]> {
    checkOptions('identify', options, { signal: 'signal' })
    textsOption('identify: texts', texts)
    const { signal } = options
    if (!this.held) return identified(texts, detectByEld, signal)
    return this.held.call((run) => identified(texts, byFastText(run), signal))
  }

  /** Frees the model once running calls have ended; harmless without one. */
  async dispose(): Promise<void> {
    await this.held?.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
}

/** Throws ERR_FASTTEXT for a file that is no such model, ERR_NOT_FOUND, ERR_IO. */
export async function loadLanguageIdentifier(options: LanguageOptions = {}): Promise<LanguageIdentifier> {
  checkOptions('loadLanguageIdentifier', options, OPTIONS)
  const { model, signal } = options
  signal?.throwIfAborted()
  if (model === undefined) return new LanguageIdentifier(undefined)
  const { model: handle, labels } = await runJob('openFastText', { path: model }, { signal })
  const held = new HeldHandle(handle, 'language identifier')
  return new LanguageIdentifier(labels.map(languageTag), held)
}

async function identified(
  texts: readonly string[],
  detect: Detector,
  signal: AbortSignal | undefined,
): Promise<IdentifiedLanguage[]> {
  const languages: IdentifiedLanguage[] = []
  for (let from = 0; from < texts.length; from += AT_ONCE) {
    const few = texts.slice(from, from + AT_ONCE)
    const guesses = await detect(few, signal)
    few.forEach((text, i) => void languages.push(described(text, guesses[i])))
  }
  return languages
}

const byFastText =
  (run: RunOnHandle): Detector =>
  async (texts, signal) => {
    const labels = await run('fastTextLabels', { texts, top_k: 1 }, { signal })
    return labels.map(([best]) => best && { language: languageTag(best.label), score: best.probability })
  }

/** A text without letters has no language, whatever a detector makes of its digits. */
function described(text: string, guess: Guess | undefined): IdentifiedLanguage {
  const script = scriptOf(text)
  if (guess === undefined || script === 'Zyyy') return { language: UNDETERMINED, script, score: 0 }
  return { language: withChineseScript(guess.language, text), script, score: guess.score }
}
