// Small folders of every kind of run, as the verbs write them, with words of the caller's in all places that a user
// may fill: names, paths, prompts, answers.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { judgmentsFile } from '#lib/verbs/judging/judgments'

const lines = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')

/** Files by path, of a run of each kind. `word` is put wherever a user's own words may stand. */
export function reportRuns(word = 'zh') {
  const inputs = [
    {
      ...{ role: 'model', path: `/models/${word}` },
      files: [{ name: `${word}.safetensors`, real_path: '/m', bytes: 1040128, sha256: 'ab'.repeat(32) }],
    },
  ]
  const provenance = (verb) => ({
    ...{ tool: 'tongueforge', tool_version: '0.1.0', numerics: { libtorch: '2.13.0' }, verb },
    ...{ created: '2026-01-02T03:04:05.678Z', inputs },
  })
  return {
    'inscp/resolved.yaml': JSON.stringify({ objective: 'inscp', model: `/models/${word}`, steps: 60 }),
    'inscp/metrics.jsonl': lines(metrics(60, word)),
    'inscp/samples.jsonl': lines(samples(word)),
    'inscp/report.json': trainReport(word),
    'inscp/model/provenance.json': provenance('train'),
    'stopped/resolved.yaml': JSON.stringify({ objective: 'cp', model: `/models/${word}`, steps: 60 }),
    'stopped/metrics.jsonl': `${lines(metrics(24, word))}{"step":25,"lo`,
    'sweep/resolved.yaml': JSON.stringify({
      ...{ target: `/models/cp-${word}`, base: `/models/${word}`, chat: '/models/chat/model' },
      objectives: [{ name: word }],
    }),
    'sweep/report.json': sweepReport(word),
    'landscape/resolved.yaml': JSON.stringify(landscapeConfig(word)),
    'landscape/report.json': landscapeReport(word),
    'compress/resolved.yaml': JSON.stringify({
      ...{ verb: 'compress', model: `/models/${word}`, stages: [{ method: 'heads' }, { method: 'prune' }] },
    }),
    'compress/report.json': compressReport(word),
    'scores/resolved.yaml': JSON.stringify({
      ...{ verb: 'evaluate', models: [{ path: word }] },
      judge: { model: 'stub/1', mode: 'single' },
    }),
    'scores/samples/before/samples_mt_bench.jsonl': lines(
      QUESTIONS.map((question) => answered(question, word)),
    ),
    [judgmentsFile('scores', 'before', 'mt_bench', { judge: 'stub/1', mode: 'single' })]: lines(
      QUESTIONS.flatMap(({ question_id, category }) => [
        judged(question_id, category, 1, 7.5, word),
        judged(question_id, category, 2, null, word),
        { earlier: true, ...judged(question_id, category, 1, 2, `not told: ${word}`) },
      ]),
    ),
    'scores/report.json': evaluateReport(word),
    'scores/provenance.json': provenance('evaluate'),
    'scores/samples/before/samples_talk.jsonl': lines(answers(word)),
    [`scores/samples/${word}/samples_talk.jsonl`]: lines(answers(word)),
    'clusters/resolved.yaml': JSON.stringify({ verb: 'clusters', model: `/models/${word}`, layer: 6 }),
    'clusters/report.json': CLUSTERS,
    'probe/resolved.yaml': JSON.stringify({ verb: 'probe', model: `/models/${word}` }),
    'probe/report.json': probeReport(word),
    'attention/report.json': attentionReport(word),
    'demo/report.json': demoReport(word),
    ...adaptation(word),
    'graft/resolved.yaml': JSON.stringify({ verb: 'graft', target: word }),
    'graft/provenance.json': provenance('graft'),
    'graft/report.json': {
      out: '/o',
      scale: 0.8,
      warnings: [word],
      vocabulary: { identical: true, [word]: 3 },
    },
  }
}

/** Writes them, objects as JSON, and names the folders. */
export function writeRuns(folder, files = reportRuns()) {
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return [...new Set(Object.keys(files).map((path) => path.split('/')[0]))].map((name) => join(folder, name))
}

const QUESTIONS = ['writing', 'writing', 'math'].map((category, i) => ({
  ...{ question_id: 81 + i, category, turns: [`ask ${i}`, `ask ${i} again`] },
}))

const answered = (doc, word) => ({
  ...{ doc_id: doc.question_id - 81, doc, values: {}, found: {} },
  turns: doc.turns.map((prompt) => ({ prompt, text: `${word} says`, finish_reason: 'stop', tokens: 2 })),
})

const judged = (question_id, category, turn, rating, word) => ({
  ...{ step: 0, question_id: `${question_id}`, category, turn, template: 't', judge: 'stub/1', rating },
  reply: `${word} is fine`,
})

const metrics = (count, word) =>
  Array.from({ length: count }, (_, i) => {
    const loss = 3 + 3 * Math.exp(-i / 20) + 0.05 * Math.sin(i)
    const held = loss + 0.2
    return {
      ...{ step: i + 1, loss, grad_norm: 1 + 1 / (i + 1), lr: 1e-3 * (1 - i / 80), tokens: 2048 },
      ...(i % 12 === 11 && {
        eval_loss: held,
        eval_losses: { [`/data/${word}.txt`]: held, '/data/en.txt': held + 0.3 },
      }),
    }
  })

const samples = (word) =>
  [0, 60].flatMap((step) =>
    ['今天天氣怎麼樣？', `Tell me of ${word}`].map((prompt) => ({
      ...{ step, prompt, text: `${word}: ${step === 0 ? 'I do not know, know, know' : '今天很好。'}` },
      ...{ finish_reason: step === 0 ? 'length' : 'stop', tokens: 12 },
    })),
  )

const trainReport = (word) => ({
  ...{ objective: 'inscp', steps: 60, result_step: 60, loss: 3.1, eval_loss: 3.35, eval_loss_before: 6.2 },
  ...{ eval_losses: { [word]: 3.35 }, stop_rate: 1, stop_rate_before: 0.25 },
  ...{ tokens: 122880, seconds: 94, tokens_per_second: 1307, config_sha256: 'cd'.repeat(32), plan: {} },
  perplexity: {
    ...{ documents: 300, tokens: 40000, overall: 21.5 },
    quantiles: { p5: 6, p25: 12, p50: 20, p75: 31, p95: 70 },
    histogram: Array.from({ length: 14 }, (_, i) => ({
      ...{
        from: Number((10 ** (0.6 + i / 10)).toPrecision(6)),
        to: Number((10 ** (0.7 + i / 10)).toPrecision(6)),
      },
      ...{ documents: 4 + 6 * Math.min(i, 13 - i), tokens: 100 },
    })),
    ...{ max_perplexity: 15, kept_documents: 110, kept_tokens: 15000 },
  },
})

function sweepReport(word) {
  const points = [0, 0.25, 0.5, 0.75, 1].map((scale, i) => ({
    ...{
      step: i + 1,
      scales: { all: scale },
      values: { [word]: 5.5 + scale ** 2, manners: 5 - scale },
      seconds: 1,
    },
    ...{ score: 10.5 - scale + scale ** 2, excess: 0 },
  }))
  return {
    ...{ by: 'global', search: 'grid', points, best: points[2], best_scale: 0.5, within_limits: true },
    ...{ pareto: [1, 3, 5], inputs_sha256: 'ef'.repeat(32) },
  }
}

const landscapeConfig = (word) => ({
  ...{
    verb: 'landscape',
    model: `/models/${word}`,
    evaluate: { data: [{ path: `/data/${word}` }], sequence_length: 64 },
  },
  measure: { tokens: 16, new_tokens: 4, warmup: 1, repeats: 3, threads: 1 },
  probe: { probes: [{ name: word, kind: 'utterance', label: word, layers: 'last' }] },
})

function landscapeReport(word) {
  const point = (step, technique, rate, size, loss) => ({
    ...{
      step,
      point: rate === null ? technique : `${technique}-${rate}`,
      technique,
      rate,
      inputs_sha256: 'a',
    },
    ...{ loss, perplexity: Math.exp(loss), seconds: 3, bytes: 1040128 * size, loads_in: 'transformers' },
    parameters: { total: 260032 * size, nonzero: 260032 * size },
    macs: {
      tokens: 16,
      core: 3e6 * size,
      superb: 3.2e6 * size,
      effective: { core: 3e6 * size, superb: 3.2e6 * size },
    },
    speed: {
      ...{ prefill_seconds: { min: 0.01 * size }, decode_seconds: { min: 0.001 * size } },
      ...{ request_seconds: { min: 0.1 * size }, prefill_relative: size, request_relative: size },
    },
  })
  const points = [
    point(0, 'original', null, 1, 2),
    ...[0.8, 0.6, 0.4].map((rate, i) => point(1 + i, word, rate, rate, 2 + (1 - rate) ** 2)),
    ...[0.9, 0.7, 0.5].map((rate, i) => point(4 + i, 'rows', rate, rate, 2.05 + (1 - rate) ** 2)),
  ]
  const probe = { name: word, kind: 'utterance', layers: 'last', train: { n: 80 } }
  for (const one of points) one.probes = [{ ...probe, test: { n: 9, nll: 1, accuracy: 0.9 - one.loss / 10 } }]
  const broken = { step: 7, point: 'bad-1', technique: 'bad', rate: 1, inputs_sha256: 'a' }
  const failed = [{ ...broken, error: { code: 'ERR_CONFIG', message: `expected ${word}` } }]
  return { kind: 'decoder', points, failed, fronts: {}, measure: {}, measured: 7, seconds: 20 }
}

const compressReport = (word) => ({
  stages: [1, 0.7, 0.5].map((size, step) => ({
    ...{
      step,
      stage: `0${step}-${word}`,
      method: ['start', 'heads', 'prune'][step],
      seconds: step,
      bytes: 1e6 * size,
    },
    parameters: { total: 260032, nonzero: 260032 * size },
    macs: { tokens: 512, core: 3e8 * size, effective: { core: 3e8 * size } },
    ...{ loss: 2 + step / 10, perplexity: Math.exp(2 + step / 10) },
  })),
  ...{ loads_in: 'transformers', seconds: 12, inputs_sha256: '12'.repeat(32) },
})

function evaluateReport(word) {
  const models = ['before', word]
  const row = (task, metric, model, value, more = {}) => ({
    ...{ task, metric, model, value, stderr: 0.02, num_fewshot: 5, documents: 200, ...more },
    ...(model !== 'before' && { difference: { value: 0.05, stderr: 0.01, interval: [0.03, 0.07] } }),
  })
  const results = models.flatMap((model, i) => [
    row('mmlu', 'acc', model, 0.4 + i / 20, { group: true }),
    row('mmlu_anatomy', 'acc', model, 0.41 + i / 20),
    row('arc_easy', 'acc', model, 0.5 + i / 20),
    row('arc_easy', 'acc_norm', model, [0.52, 0.57][i]),
    row('truthfulqa_mc2', 'acc', model, 0.45),
    row(`task ${word}`, 'acc', model, 0.3),
    row('wikitext', 'word_perplexity', model, 21.5 - i, { stderr: null }),
    ...Object.entries({
      score: 4.1,
      score_turn_1: 5,
      score_turn_2: 3.2,
      score_writing: 4,
      score_math: 1,
    }).map(([metric, value]) => row('mt_bench', metric, model, value + 2 * i, { judge: word })),
    row('mt_bench', 'unrated', model, 3 * (1 - i), { stderr: null, judge: word }),
  ])
  results.push(...models.map((model) => row('talk', 'language_alignment', model, 0.9)))
  const parts = models.flatMap((model, i) =>
    ['de', word].map((part, j) => ({
      ...{ task: 'talk', model, part, documents: 100 },
      metrics: { language_alignment: { value: 0.5 + i / 4 + j / 8, stderr: 0.01 } },
    })),
  )
  const languages = models.map((model) => ({
    ...{ task: 'talk', model, expected: 'zh-Hant', answers: 100 },
    found: { 'zh-Hant': 80, en: 10, [word]: 4, de: 2, fr: 1, es: 1, und: 1, nl: 1 },
  }))
  return {
    ...{ schema: 'tongueforge.evaluate/1', models: models.map((name) => ({ name, path: name })), results },
    ...{ parts, languages },
  }
}

/** Lines of samples of a task whose answers were written: one question in two turns, and one. */
const answers = (word) => [
  {
    asked: [`Tell me of ${word}`, 'And more?'],
    turns: [
      { prompt: 'p', text: `It is ${word}.`, finish_reason: 'stop', tokens: 3 },
      { prompt: 'p', text: 'No more', finish_reason: 'length', tokens: 2 },
    ],
  },
  { asked: ['你好'], turns: [{ prompt: 'p', text: '你好！', finish_reason: 'stop', tokens: 2 }] },
]

const SILENT = { prompt: 'p', text: ' ', finish_reason: 'stop' }

/** The run folder of an adaptation, with two of its stages. */
function adaptation(word) {
  const stage = (step, name, verb, figures) => ({ step, stage: name, verb, figures, seconds: 3 * step })
  const row = (task, metric, model, value) => ({
    ...{ task, metric, model, value, stderr: null, num_fewshot: 0, documents: 9 },
  })
  const models = ['start', 'inscp', 'compressed']
  const turn = { prompt: `<user> ${word}`, text: word, finish_reason: 'length' }
  const evaluations = models.map((model, i) => {
    const place = `adapt/stages/${model}-evaluate`
    const found = { 'zh-Hant': 40 * i, en: 100 - 40 * i }
    const languages = [{ task: 'said', model, expected: 'zh-Hant', answers: 100, found }]
    return {
      [`${place}/report.json`]: { models: [{ name: model }], results: [], languages },
      [`${place}/samples/${model}/samples_said.jsonl`]: lines([
        { asked: [word], turns: [turn] },
        { asked: [word], turns: [SILENT] },
      ]),
    }
  })
  return {
    'adapt/resolved.yaml': JSON.stringify({ verb: 'adapt', chat: `/models/${word}`, language: 'zh-Hant' }),
    'adapt/report.json': {
      ...{ schema: 'tongueforge.adapt/1', language: 'zh-Hant', chat: `/models/${word}`, seconds: 40 },
      arms: [
        { name: 'inscp', about: word, result: 'chat-inscp', measured: true },
        { name: 'cp', about: word, result: 'chat-cp', measured: false },
      ],
      stages: [
        stage(1, 'start-evaluate', 'evaluate', { numbers: 2 }),
        stage(2, 'chat-inscp', 'train', { objective: 'inscp', loss: 3.1 }),
        stage(3, 'compress', 'compress', { bytes: 1e6, loads_in: word }),
      ],
      measures: { texts: 'byte_perplexity' },
      results: models.flatMap((model, i) => [
        row('texts', 'word_perplexity', model, 200 - i),
        row('texts', 'byte_perplexity', model, 2.7 - i / 10),
        row('said', 'stop_rate', model, i / 2),
      ]),
      pick: {
        ...{ rule: 'least texts/byte_perplexity', reason: `inscp, for ${word}`, picked: 'inscp' },
        ...{
          start: -2.7,
          candidates: [{ arm: 'inscp', score: -2.6, measured: { 'said/stop_rate': 0.5 }, failed: [] }],
          tied: [],
        },
      },
    },
    'adapt/stages/chat-inscp/resolved.yaml': JSON.stringify({ objective: 'inscp', model: word, steps: 60 }),
    'adapt/stages/chat-inscp/metrics.jsonl': lines(metrics(60, word)),
    'adapt/stages/chat-inscp/report.json': trainReport(word),
    'adapt/stages/compress/resolved.yaml': JSON.stringify({
      ...{ verb: 'compress', model: `/models/${word}`, stages: [{ method: 'heads' }] },
    }),
    'adapt/stages/compress/report.json': compressReport(word),
    ...Object.assign({}, ...evaluations),
  }
}

const CLUSTERS = {
  ...{ utterances: 720, seconds: 307, frames: 29291, width: 40, clusters: 64, labels: 20586, used: 63 },
  ...{
    most: 593,
    least: 73,
    entropy: 4.08,
    inertia: 5.21,
    inertia_learnt: 5.2,
    course: [6.1, 5.6, 5.3, 5.2],
  },
  seconds_taken: 3,
}

const probeReport = (word) => ({
  ...{ model: '/m', utterances: 520, seconds: 220 },
  probes: [word, 'speaker'].map((name) => ({
    ...{ name, kind: 'utterance', classes: 10, train: { n: 80, loss: 0.03 }, layer_weights: [0.3, 0.5, 0.2] },
    test: { n: 280, nll: 1.2, accuracy: 0.62, chance: 0.1 },
  })),
})

const attentionReport = (word) => ({
  ...{ architecture: word, spread: 0.5 },
  heads: [0, 1, 2].flatMap((layer) =>
    [0, 1].map((head) => ({ layer, head, diagonality: 0.3 + layer / 10 + head / 20, step: head ? 1 : null })),
  ),
  pruned: { removed: 3, correlations: [], refused: `no correlation for ${word}` },
})

const demoReport = (word) => ({
  ...{ seed: 0, training_seconds: 130, parameters: 368544 },
  claims: [{ claim: word, expected: 'less', measured: '0 %', holds: true }],
  table: [
    { model: word, lid_a: 0.9, ppl_a: 12.1 },
    { model: 'chat', lid_a: 1, ppl_a: 14.2 },
    ...['cp', 'cp_vector_0.5', 'cp_vector_1'].map((model, i) => ({
      ...{ model, lid_b: 1 - i / 2, stop_b: i / 2, ref_b: 0, ok_b: i / 3 },
    })),
  ],
})
