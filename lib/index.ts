/**
 * tongueforge: teach a chat model a new language without losing its manners, then make it small.
 * The whole public API on one screen; what stands in other files is private.
 */
export {
  type AudioList,
  type AudioSourceLike,
  type ListAudioOptions,
  listAudio,
  type Utterance,
} from './audio/list'
export { type Audio, type AudioInfo, audioInfo, type ReadAudioOptions, readAudio } from './audio/read'
export type { Scale } from './config/scales'
export type { ServingOptions } from './config/serving'
export { TongueforgeError } from './errors'
export type { EngineStats } from './native'
export { fastify, type PluginOptions } from './server/plugin'
export { type ServeOptions, type Server, serve } from './server/serve'
export type { RowFate, VectorTable, VocabularyReport } from './text/alignment/table'
export type { Message } from './text/chat_template'
export {
  type AdaptEvent,
  type AdaptedArm,
  type AdaptOptions,
  type AdaptPlanReport,
  type AdaptProgress,
  type AdaptReport,
  type AdaptRun,
  type AdaptStage,
  adapt,
  type Candidate,
  type ForetoldAdaptStage,
  type Pick,
} from './verbs/adapt'
export {
  type MergeAdapterCallbacks,
  type MergeAdapterOptions,
  type MergeAdapterReport,
  mergeAdapter,
} from './verbs/adapter'
export {
  type AttentionHead,
  type AttentionOptions,
  type AttentionReport,
  type AttentionSource,
  attention,
  type HeadCorrelation,
  type HeadShape,
  type PruningOrder,
} from './verbs/attention'
export {
  type ClustersOptions,
  type ClustersPlanReport,
  type ClustersReport,
  clusters,
} from './verbs/clusters'
export {
  type CompressEvent,
  type CompressOptions,
  type CompressPlanReport,
  type CompressProgress,
  type CompressReport,
  type CompressResult,
  type CompressRun,
  compress,
  type ForetoldStage,
  type RemovedHead,
  type StageRecord,
} from './verbs/compress'
export {
  type ConvertCallbacks,
  type ConvertOptions,
  type ConvertReport,
  convert,
} from './verbs/convert'
export { type ApplyDeltaOptions, applyDelta } from './verbs/delta_apply'
export {
  type DeltaCallbacks,
  type ExtractDeltaOptions,
  type ExtractDeltaReport,
  extractDelta,
} from './verbs/delta_extract'
export { type DeltaInspection, inspectDelta } from './verbs/delta_inspect'
export { type DemoOptions, type DemoResult, type DemoRow, demo } from './verbs/demo'
export { type DoctorReport, doctor } from './verbs/doctor'
export {
  type Classification,
  type EmbedOptions,
  type Encoder,
  type Filling,
  loadEncoder,
  type MaskedLossOptions,
  type TextsDone,
  type TextsOptions,
} from './verbs/encoder'
export {
  type Difference,
  type EvaluateOptions,
  type EvaluatePlanReport,
  type EvaluateProgress,
  type EvaluateReport,
  type EvaluateRun,
  type EvaluationRow,
  evaluate,
  type ForetoldTask,
  type LanguageTally,
  type MetricValue,
  type PartRecord,
  type TaskRecord,
} from './verbs/evaluate'
export type { GeneratedPiece, GenerateOptions, Generation, Logprob } from './verbs/generate'
export { type GraftCallbacks, type GraftOptions, type GraftReport, graft } from './verbs/graft'
export { type Inspection, type InspectOptions, inspect, type MacCounts } from './verbs/inspect'
export {
  type FailedPoint,
  type LandscapeOptions,
  type LandscapePlanReport,
  type LandscapePoint,
  type LandscapeProgress,
  type LandscapeReport,
  type LandscapeRun,
  landscape,
  type PointRecord,
} from './verbs/landscape'
export {
  type IdentifiedLanguage,
  type LanguageIdentifier,
  type LanguageOptions,
  loadLanguageIdentifier,
} from './verbs/language'
export type { Delta } from './verbs/live/deltas'
export type { LiveGraftOptions, LiveGraftReport } from './verbs/live/graft'
export { loadModel } from './verbs/load_model'
export { measureSpeed, type Seconds, type SpeedOptions, type SpeedReport } from './verbs/measure'
export { type MergeOptions, type MergeReport, merge } from './verbs/merge'
export {
  type Likelihood,
  type LikelihoodRequest,
  type LoadOptions,
  loadDecoder,
  type Model,
  type Score,
} from './verbs/model'
export { type AttachedRun, type AttachOptions, attach } from './verbs/own_process/attach'
export { type TrainOptions, train } from './verbs/own_process/train'
export {
  type ForetoldProbe,
  type ProbeFigures,
  type ProbeFold,
  type ProbeOptions,
  type ProbePlanReport,
  type ProbeReport,
  type ProbeTest,
  type ProbeTraining,
  probe,
} from './verbs/probe'
export {
  type ReportContent,
  type ReportedRun,
  type ReportOptions,
  type ReportResult,
  report,
} from './verbs/report'
export type { Run } from './verbs/run'
export {
  type HiddenStatesOptions,
  loadSpeechEncoder,
  type SoundStates,
  type SpeechEncoder,
  type SpeechInput,
  type SpeechLayer,
} from './verbs/speech_encoder'
export {
  type JudgedPoint,
  type SweepOptions,
  type SweepPlanReport,
  type SweepPoint,
  type SweepProgress,
  type SweepReport,
  type SweepRun,
  sweep,
} from './verbs/sweep'
export type {
  DryRunReport,
  PerplexityReport,
  ShownBatch,
  TrainProgress,
  TrainReport,
  TrainResult,
  TrainRun,
  TrainStep,
} from './verbs/train'
export { type Verification, type VerifyOptions, verify } from './verbs/verify'
export {
  type ExtendVocabularyCallbacks,
  type ExtendVocabularyOptions,
  type ExtendVocabularyProgress,
  type ExtendVocabularyReport,
  extendVocabulary,
} from './verbs/vocab_extend'
export {
  type TrainVocabularyCallbacks,
  type TrainVocabularyOptions,
  type TrainVocabularyProgress,
  type TrainVocabularyReport,
  trainVocabulary,
} from './verbs/vocab_train'
export { VERSION } from './version'
