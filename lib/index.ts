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
export {
  type Audio,
  type AudioInfo,
  type AudioInfoOptions,
  audioInfo,
  type ReadAudioOptions,
  readAudio,
} from './audio/read'
export type { EncoderHead, EncoderSpec } from './checkpoint/encoder_config'
export type { GenerationFiles } from './checkpoint/generation_files'
export type { JsonObject } from './checkpoint/json_file'
export type { LayerSpec } from './checkpoint/layers'
export type { DecoderSpec } from './checkpoint/model_config'
export type { ModelFolder } from './checkpoint/model_folder'
export type { FileRecord, InputRecord, Provenance } from './checkpoint/provenance'
export type { Quantization } from './checkpoint/quantization_config'
export type { RopeSpec } from './checkpoint/rope_config'
export type { SampleConvolution, SpeechMasking, SpeechSpec } from './checkpoint/speech_config'
export type { TokenizerFiles } from './checkpoint/tokenizer_files'
export type { AudioSource } from './config/audio'
export type { Scale } from './config/scales'
export type { ServingOptions } from './config/serving'
export type { MacParts, Macs } from './counting/macs'
export type { ParameterParts } from './counting/parameters'
export type { ErrorDetails, ErrorOptions } from './errors'
export { TongueforgeError } from './errors'
export type {
  ByteProgress,
  CountProgress,
  CudaDevice,
  EngineStats,
  JobCallbacks,
  MemoryCount,
  TensorDescription,
  ValueCounts,
} from './native'
export type { DeltaTensorFigures, ModuleStatistics } from './native/merging'
export type { PackedLayer, ProductTimes, SparseLayer } from './native/speed'
export type { Bin as HistogramBin } from './report/distribution'
export type { ModelLike } from './server/models'
export { fastify, type PluginOptions } from './server/plugin'
export { type ServeOptions, type Server, serve } from './server/serve'
export type { RowFate, VectorTable, VocabularyReport } from './text/alignment/table'
export type { ChatTemplate, Message, RenderOptions } from './text/chat_template'
export type { Source as DataSource, Split as DataSplit } from './text/documents'
export type { ModelText } from './text/model_text'
export type { RecordFormat } from './text/record_formats'
export type { ShownDocument, ShownPiece, ShownRow } from './text/shown_batch'
export type { PieceDecoder, StreamDecoder, StreamDecoderOptions } from './text/stream_decoder'
export type { AddedToken, DecodeOptions, EncodeOptions, Tokenizer } from './text/tokenizer'
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
export type { StageVerb } from './verbs/adapting/stage'
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
export { type DemoOptions, type DemoProgress, type DemoResult, type DemoRow, demo } from './verbs/demo'
export type { Problem as DoctorProblem } from './verbs/doctor'
export { type DoctorReport, doctor } from './verbs/doctor'
export { type Classification, type Encoder, type Filling, loadEncoder } from './verbs/encoder'
export type {
  EmbedOptions,
  FillOptions,
  MaskedLossOptions,
  TextsDone,
  TextsOptions,
} from './verbs/encoder_options'
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
export type { OfModel } from './verbs/evaluating/report'
export type {
  GeneratedIds,
  GeneratedPiece,
  GenerateOptions,
  Generation,
  Logprob,
  PlacedLogprob,
} from './verbs/generate'
export type { GraftVector } from './verbs/graft'
export { type GraftCallbacks, type GraftOptions, type GraftReport, graft } from './verbs/graft'
export type { Descent as GraftDescent } from './verbs/grafting/descent'
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
export type { CostName, Fronts as LandscapeFronts } from './verbs/landscaping/costs'
export type { ForetoldPoint } from './verbs/landscaping/plan'
export type { PointSpeed } from './verbs/landscaping/record'
export {
  type IdentifiedLanguage,
  type LanguageIdentifier,
  type LanguageOptions,
  loadLanguageIdentifier,
} from './verbs/language'
export type { Delta } from './verbs/live/deltas'
export type { LiveGraftOptions, LiveGraftReport } from './verbs/live/graft'
export { loadDecoder } from './verbs/load_decoder'
export type { Loaded as LoadedModel } from './verbs/load_model'
export { loadModel } from './verbs/load_model'
export type { LoadOptions } from './verbs/load_options'
export { measureSpeed, type Seconds, type SpeedOptions, type SpeedReport } from './verbs/measure'
export { type MergeOptions, type MergeReport, merge } from './verbs/merge'
export type { Likelihood, LikelihoodRequest, Model, Score } from './verbs/model'
export type { IdOptions, LikelihoodOptions, ScoreOptions } from './verbs/model_options'
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
export type { ConfiguredOptions, DryRun, FullRun, LabelledProgress, Run } from './verbs/run'
export type { ChosenToken, TokenLogprob, Usage as TokenUsage } from './verbs/serving/engine'
export {
  type HiddenStatesOptions,
  loadSpeechEncoder,
  type SoundStates,
  type SpeechEncoder,
  type SpeechInput,
  type SpeechLayer,
} from './verbs/speech_encoder'
export { type ProcessStats, stats } from './verbs/stats'
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
export type { Anomaly as TrainAnomaly, AnomalyKind as TrainAnomalyKind } from './verbs/training/anomalies'
export type { Checkpoint as TrainCheckpoint } from './verbs/training/checkpoints'
export type { DataStatistics, SourceStatistics } from './verbs/training/data_statistics'
export type { Difference as LogitDifference } from './verbs/training/difference'
export type { PlanSummary } from './verbs/training/plan'
export type {
  MasksReport,
  PruningReport,
  TargetReport as PruningTargetReport,
} from './verbs/training/prune_report'
export type { Gate as PruningGate, PlannedPruning, PruningSummary } from './verbs/training/prune_schedule'
export type { Postponement as PruningPostponement } from './verbs/training/pruner'
export type { Drift as AdapterDrift } from './verbs/training/report'
export type { SessionFigures } from './verbs/training/state'
export type { TeachingSummary } from './verbs/training/teaching'
export type { TimeEstimate } from './verbs/training/time'
export { type Verification, type VerifyOptions, verify } from './verbs/verify'
export type { InputState } from './verbs/verifying/inputs'
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
export type {
  BeforeAfter,
  CorpusFigures as VocabularyCorpusFigures,
  TextFigures as VocabularyTextFigures,
} from './verbs/vocabulary/figures'
export type { Sources as DataSources } from './verbs/vocabulary/sources'
export { VERSION } from './version'
export type { Claim as DemoClaim } from './world/claims'
