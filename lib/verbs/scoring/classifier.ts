/** A text encoder with a classification head, run here: the probability of one of its labels. */
import { encoderSpec } from '../../checkpoint/encoder_config'
import { openModelFolder } from '../../checkpoint/model_folder'
import { configError, suggestion } from '../../config/parse'
import { loadEncoder } from '../encoder'
import { recordWhole } from '../training/identity'
import type { ScorerContext, ScorerKind } from './scorer'

export const CLASSIFIER: ScorerKind = {
  async check({ name, scorer }) {
    const folder = await openModelFolder(scorer.model!)
    const { labels } = encoderSpec(folder.config, folder.configFile, { quantized: true })
    if (labels.includes(scorer.label!)) return
    const key = `scorers.${name}.label`
    throw configError(folder.configFile, `${key}: expected ${labels.join(' | ')}, received ${scorer.label}`, {
      hint: suggestion(scorer.label!, labels),
      key,
    })
  },
  async identity({ scorer, signal }) {
    const { content, input } = await recordWhole('scorer', await openModelFolder(scorer.model!), signal!)
    return { identity: { content, label: scorer.label }, inputs: [input] }
  },
  open: openClassifier,
}

async function openClassifier({ scorer, config, signal }: ScorerContext) {
  const { device, threads } = config
  const encoder = await loadEncoder(scorer.model!, { device, threads, signal })
  return {
    // Longer texts are judged by their beginning.
    score: async (texts: readonly string[], options: object) => {
      const found = await encoder.classify(texts, { ...options, truncate: true })
      return found.map(({ scores }) => scores[scorer.label!]!)
    },
    dispose: () => encoder.dispose(),
  }
}
