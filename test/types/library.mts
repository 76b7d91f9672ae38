// What the types of the library say to whoever writes TypeScript: compiled, never run (test/types.test.mjs). Where an
// error is expected, it is one that the types have to find.
import { expectTypeOf } from 'expect-type'
import tongueforge, {
  type AdaptReport,
  type AttachedRun,
  adapt,
  attach,
  type CompressReport,
  compress,
  type DryRunReport,
  type Encoder,
  type EvaluateReport,
  type EvaluateRun,
  evaluate,
  type GeneratedPiece,
  type Generation,
  type GraftReport,
  graft,
  landscape,
  loadEncoder,
  loadModel,
  type Message,
  type Model,
  merge,
  type Run,
  type SpeechEncoder,
  stats,
  sweep,
  TongueforgeError,
  type TrainReport,
  type TrainRun,
  type TrainStep,
  train,
  VERSION,
} from 'tongueforge'

expectTypeOf(tongueforge.train).toEqualTypeOf(train)
expectTypeOf(VERSION).toBeString()
expectTypeOf(stats().objects.Decoder?.bytes).toEqualTypeOf<number | undefined>()

// A model that writes text, unless something else is asked for.
expectTypeOf(await loadModel('model')).toEqualTypeOf<Model>()
expectTypeOf(loadModel<Encoder>).returns.resolves.toEqualTypeOf<Encoder>()
expectTypeOf(loadModel<SpeechEncoder>).returns.resolves.toEqualTypeOf<SpeechEncoder>()
expectTypeOf(loadEncoder).returns.resolves.toEqualTypeOf<Encoder>()
// @ts-expect-error an adapter is a folder
void loadModel('model', { adapter: 1 })
// @ts-expect-error options are camelCase
void loadModel('model').then((model) => model.generate('text', { max_new_tokens: 3 }))
// @ts-expect-error a model that writes text has no vectors
void loadModel('model').then((model) => model.embed(['text']))

// Runs: items by the loop, the end by `result`.
declare const model: Model
const answer = model.chat([{ role: 'user', content: 'hello' }], {
  maxNewTokens: 20,
  signal: AbortSignal.timeout(9),
})
expectTypeOf(answer).toEqualTypeOf<Run<GeneratedPiece, Generation>>()
for await (const piece of answer) expectTypeOf(piece.text).toBeString()
expectTypeOf((await answer.result).finish_reason).toEqualTypeOf<'stop' | 'length'>()
expectTypeOf<Message>().toHaveProperty('role')
// @ts-expect-error a conversation is a list
model.chat({ role: 'user', content: 'hello' })
expectTypeOf(model.dispose).returns.resolves.toBeVoid()
{
  await using disposed = model
  expectTypeOf(disposed.stopIds).returns.resolves.toEqualTypeOf<readonly number[]>()
}

const run = train('config.yaml', { overrides: ['steps=3'], resume: true, ownProcess: false })
expectTypeOf(run).toEqualTypeOf<TrainRun<TrainReport>>()
for await (const step of run) {
  expectTypeOf(step).toEqualTypeOf<TrainStep>()
  expectTypeOf(step.loss).toBeNumber()
  expectTypeOf(step.eval_loss).toEqualTypeOf<number | undefined>()
}
expectTypeOf((await run.result).report).toEqualTypeOf<TrainReport>()
expectTypeOf(run.latest.checkpoint?.step).toEqualTypeOf<number | undefined>()
// @ts-expect-error a config is a path or an object
train(3)
// @ts-expect-error no such option
train('config.yaml', { resumes: true })
expectTypeOf(attach('runs/german', { after: 12 })).toEqualTypeOf<AttachedRun>()
expectTypeOf<AttachedRun>().toExtend<TrainRun>()
expectTypeOf<AttachedRun['stop']>().returns.resolves.toBeVoid()

// What is only foretold has its own type, and both where that is not known before.
declare const dryRun: boolean
expectTypeOf(train('c.yaml', { dryRun: true })).toEqualTypeOf<TrainRun<DryRunReport>>()
expectTypeOf(train('c.yaml', { showBatch: true })).toEqualTypeOf<TrainRun<DryRunReport>>()
expectTypeOf(train('c.yaml', { dryRun })).toEqualTypeOf<TrainRun>()
expectTypeOf((await compress('c.yaml').result).report).toEqualTypeOf<CompressReport>()
expectTypeOf((await compress('c.yaml', { dryRun: true }).result).report.dry_run).toEqualTypeOf<true>()
expectTypeOf(evaluate({ models: ['m'] })).toEqualTypeOf<EvaluateRun<EvaluateReport>>()
expectTypeOf(evaluate({ models: ['m'] }, { dryRun })).toEqualTypeOf<EvaluateRun>()
expectTypeOf(await adapt('adapt.yaml').result).toEqualTypeOf<AdaptReport>()
expectTypeOf((await sweep('sweep.yaml', { resume: true }).result).best).toExtend<object | null>()
expectTypeOf((await landscape('l.yaml', { dryRun: true }).result).dry_run).toEqualTypeOf<true>()

expectTypeOf(graft).returns.resolves.toEqualTypeOf<GraftReport>()
void graft({ target: 't', base: 'b', chat: 'c', scale: { attention: 0.5, mlp: [0.1, 0.9] }, out: 'o' })
// @ts-expect-error out is needed
void graft({ target: 't', base: 'b', chat: 'c' })
// @ts-expect-error so it is here
void merge('merge.yaml', {})

try {
  await graft({ target: 't', vectors: [{ delta: 'd', scale: 0.5 }], out: 'o' })
} catch (error) {
  if (error instanceof TongueforgeError) {
    expectTypeOf(error.code).toBeString()
    expectTypeOf(error.hint).toEqualTypeOf<string | undefined>()
    expectTypeOf(error.details).toEqualTypeOf<Record<string, unknown>>()
  }
}
