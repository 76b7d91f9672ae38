// ES modules get the same single instance as require(): one native addon, one libtorch.
import tongueforge from './dist/index.js'

export const {
  TongueforgeError,
  VERSION,
  applyDelta,
  audioInfo,
  clusters,
  compress,
  convert,
  demo,
  doctor,
  extendVocabulary,
  extractDelta,
  graft,
  inspect,
  inspectDelta,
  loadDecoder,
  loadEncoder,
  landscape,
  listAudio,
  loadModel,
  loadSpeechEncoder,
  measureSpeed,
  merge,
  mergeAdapter,
  readAudio,
  sweep,
  train,
  trainVocabulary,
  verify,
} = tongueforge
export default tongueforge
