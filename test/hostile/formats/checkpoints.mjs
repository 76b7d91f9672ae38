// Checkpoints of a training: the manifest and the state as what resumes reads them, and the tensors through `train`.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, symlinkSync } from 'node:fs'
import { TongueforgeError } from 'tongueforge'
import { readState, verified } from '#lib/verbs/training/checkpoint_files'
import { Checkpoints } from '#lib/verbs/training/checkpoints'
import { newState } from '#lib/verbs/training/state'
import { damaged } from '../making/damage.mjs'
import { tensorsFile } from '../making/safetensors.mjs'

const MANIFEST = 'manifest.json'
const STATE = 'state.json'
const WEIGHTS = 'state.safetensors'
const STEP = 7
const FOLDER = 'step-00000007'

const sha256 = (content) => createHash('sha256').update(content).digest('hex')

const state = (changes = {}) => ({
  ...newState(),
  step: STEP,
  sessions: [{ first_step: 0, steps: STEP, tokens: 100, seconds: 1.5, tokens_per_second: 66.7 }],
  evaluations: [{ step: STEP, loss: 1.25, losses: { 'a.txt': 1.25 } }],
  ...changes,
})
const bytesOf = (content) =>
  typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content)
const vouch = (keys) => ({ ...keys, sha256: sha256(JSON.stringify(keys)) })

/** The keys of a manifest for these files, hash and all: whoever makes a hostile one can count. */
const manifest = (files, changes = {}) =>
  vouch({
    version: 3,
    step: STEP,
    config_sha256: 'ab'.repeat(32),
    environment: { tongueforge: '0.1.0', threads: 1 },
    files: Object.entries(files).map(([name, content]) => ({
      name,
      bytes: Buffer.byteLength(bytesOf(content)),
      sha256: sha256(bytesOf(content)),
    })),
    ...changes,
  })

const GOOD = { [WEIGHTS]: tensorsFile({ 'weight.a': { dtype: 'F32', shape: [2] } }), [STATE]: state() }

/** What is read before anything is loaded. */
const read = async (folder) => {
  const path = `${folder}/${FOLDER}`
  await verified(path, STEP)
  await readState(path, STEP)
}
const inFolder = (files) =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${FOLDER}/${name}`, content]))
const row = (name, files, file, says = [], more = {}) => ({
  name,
  files: inFolder(files),
  call: read,
  code: 'ERR_CHECKPOINT',
  file,
  says,
  ...more,
})

// ---- the manifest ----

const manifestText = (name, text, says) =>
  row(`manifest: ${name}`, { ...GOOD, [MANIFEST]: text }, MANIFEST, says)
const manifestOf = (name, changes, says) => manifestText(name, manifest(GOOD, changes), says)
const fileOf = (name, file, says = ['files.0']) =>
  manifestOf(name, { files: [{ name: STATE, bytes: 1, sha256: 'a'.repeat(64), ...file }] }, says)

const manifests = () => [
  ...Object.entries({
    'an empty file': '',
    'cut short': JSON.stringify(manifest(GOOD)).slice(0, 100),
    'a list': '[]',
    'no keys': '{}',
    'two of them': `${JSON.stringify(manifest(GOOD))}{}`,
    'no UTF-8': Buffer.from('{"version":"\xff"}', 'latin1'),
    'UTF-16': Buffer.from(JSON.stringify(manifest(GOOD)), 'utf16le'),
    'of 2 MB': JSON.stringify(manifest(GOOD)).padEnd(2 << 20),
    'a key twice': `{"version":3,${JSON.stringify(manifest(GOOD)).slice(1)}`,
    'a hundred thousand lists': `{"files":${'['.repeat(100_000)}`,
    'no hash': { ...manifest(GOOD), sha256: undefined },
    'another hash': { ...manifest(GOOD), sha256: 'a'.repeat(64) },
    'a hash that is a number': { ...manifest(GOOD), sha256: 5 },
    'a step that was changed': { ...manifest(GOOD), step: 8 },
  }).map(([name, text]) => manifestText(name, text)),
  { ...manifestOf('of version 4', { version: 4 }, ['version 4']), file: FOLDER },
  { ...manifestOf('of version 1', { version: 1 }, ['version 1']), file: FOLDER },
  manifestOf('a version that is a text', { version: '3' }, ['version']),
  manifestOf('another step than its folder', { step: 6 }, ['step', '6']),
  manifestOf('a step of 1.5', { step: 1.5 }, ['step']),
  manifestOf('a negative step', { step: -1 }, ['step']),
  manifestOf('a step of 2^60', { step: 2 ** 60 }, ['step']),
  manifestOf('no config', { config_sha256: null }, ['config_sha256']),
  manifestOf('an environment that is a list', { environment: [] }, ['environment']),
  manifestOf('an environment of lists', { environment: { threads: [] } }, ['environment.threads']),
  manifestOf('a loss that is a text', { eval_loss: 'low' }, ['eval_loss']),
  manifestOf('no files', { files: null }, ['files']),
  manifestOf('an empty list of files', { files: [] }, ['files', STATE]),
  manifestOf('the weights alone', { files: manifest(GOOD).files.slice(0, 1) }, ['files', STATE]),
  manifestOf('a file twice', { files: [...manifest(GOOD).files, manifest(GOOD).files[0]] }, ['files']),
  manifestOf('1,001 files', { files: Array(1001).fill(manifest(GOOD).files[0]) }, ['files']),
  manifestOf('files that are names', { files: [STATE] }, ['files.0']),
  ...[
    '../state.json',
    '/etc/passwd',
    '/dev/zero',
    'a/b',
    '..',
    '.',
    '',
    '.hidden',
    'a\u0000',
    'a\\b',
    'C:\\x',
    'a\u001b[2J',
    'a b',
  ].map((name) => fileOf(`a file named ${JSON.stringify(name)}`, { name })),
  fileOf('a name that is a number', { name: 5 }),
  fileOf('a size of -1', { bytes: -1 }),
  fileOf('a size that is a text', { bytes: '1' }),
  fileOf('a hash of 3 letters', { sha256: 'abc' }),
  fileOf('a hash in capitals', { sha256: 'A'.repeat(64) }),
]

// ---- the files that it names ----

const place = (name, file, make, says = []) => {
  const { [file]: _, ...rest } = { ...GOOD, [MANIFEST]: manifest(GOOD) }
  return row(name, rest, file, says, {
    code: ['ERR_CHECKPOINT', 'ERR_IO', 'ERR_NOT_FOUND'],
    prepare: (folder) => make(`${folder}/${FOLDER}/${file}`),
  })
}
const KINDS = {
  'not there': () => {},
  'a pipe': (path) => execFileSync('mkfifo', [path]),
  'a device without end': (path) => symlinkSync('/dev/zero', path),
  'a folder': (path) => mkdirSync(path),
  'a link to itself': (path) => symlinkSync(path, path),
  'a link to nowhere': (path) => symlinkSync('nowhere-at-all', path),
  'a link to a file elsewhere': (path) => symlinkSync('/etc/passwd', path),
}
const places = () => [
  ...[MANIFEST, STATE, WEIGHTS].flatMap((file) =>
    Object.entries(KINDS).map(([kind, make]) => place(`${file}: ${kind}`, file, make)),
  ),
  ...[STATE, WEIGHTS].flatMap((file) => {
    const bytes = Buffer.from(bytesOf(GOOD[file]))
    const changed = (name, content) =>
      row(name, { ...GOOD, [MANIFEST]: manifest(GOOD), [file]: content }, file)
    return [
      changed(`${file}: a byte more`, Buffer.concat([bytes, Buffer.from(' ')])),
      ...damaged(`${file}, as written`, bytes, changed, { cuts: 4, turns: 8 }).map((one) => ({
        ...one,
        either: false,
      })),
    ]
  }),
]

// ---- the state ----

const stateText = (name, text, says) => {
  const files = { ...GOOD, [STATE]: text }
  return row(`state: ${name}`, { ...files, [MANIFEST]: manifest(files) }, STATE, says)
}
const stateOf = (name, changes, says) => stateText(name, state(changes), says)
const MET = {
  kind: 'spike',
  action: 'skip',
  step: 3,
  batch: 2,
  loss: 9,
  grad_norm: 'Infinity',
  loss_limit: 5,
}

const states = () => [
  ...Object.entries({
    'an empty file': '',
    'a list': '[]',
    null: 'null',
    'no keys': '{}',
    'no JSON': 'step: 7',
    'no UTF-8': Buffer.from('{"version":"\xff"}', 'latin1'),
    'a key twice': `{"step":7,${JSON.stringify(state()).slice(1)}`,
    'of 65 MB': JSON.stringify(state()).padEnd(65 << 20),
    'a hundred thousand lists': `{"sessions":${'['.repeat(100_000)}`,
    'three hundred lists': `{"sessions":${'['.repeat(300)}${']'.repeat(300)}}`,
  }).map(([name, text]) => stateText(name, text)),
  stateOf('another version', { version: 2 }, ['version']),
  stateOf('another step than the manifest', { step: 6 }, ['step', '6']),
  stateOf('a step that is a text', { step: '7' }, ['step']),
  stateOf('a step of 7.5', { step: 7.5 }, ['step']),
  stateOf('sessions that are none', { sessions: {} }, ['sessions']),
  stateOf('a session of no time', { sessions: [{}] }, ['sessions.0']),
  stateOf('tokens that are a text', { sessions: [{ ...state().sessions[0], tokens: '1' }] }, [
    'sessions.0.tokens',
  ]),
  stateOf('a negative time', { sessions: [{ ...state().sessions[0], seconds: -1 }] }, ['sessions.0.seconds']),
  stateOf('evaluations that are null', { evaluations: null }, ['evaluations']),
  stateOf('a loss that is a list', { evaluations: [{ step: 1, loss: [] }] }, ['evaluations.0.loss']),
  stateOf('losses that are a text', { evaluations: [{ step: 1, loss: 1, losses: 'x' }] }, [
    'evaluations.0.losses',
  ]),
  stateOf('batches left out of -1', { skipped_batches: -1 }, ['skipped_batches']),
  stateOf('batches left out of 1e300', { skipped_batches: 1e300 }, ['skipped_batches']),
  stateOf('anomalies that are a number', { anomalies: 5 }, ['anomalies']),
  stateOf('an anomaly of another kind', { anomalies: [{ ...MET, kind: 'x' }] }, ['anomalies.0.kind']),
  stateOf('another action', { anomalies: [{ ...MET, action: 'x' }] }, ['anomalies.0.action']),
  stateOf('an anomaly without a batch', { anomalies: [{ ...MET, batch: undefined }] }, ['anomalies.0.batch']),
  stateOf('recent losses that are texts', { recent: { losses: ['1'], grad_norms: [] } }, ['recent.losses.0']),
  stateOf('a pruning that is a list', { pruning: [] }, ['pruning']),
  stateOf('a pruning without a gate', { pruning: { next: 1, done: [], postponed: [] } }, ['pruning.gate']),
]

// ---- which one is taken ----

const checkpointsIn = (folder) =>
  new Checkpoints(folder, { keep: 1, keepBest: 0, configHash: 'ab'.repeat(32), environment: {} })

/** Throws what a run is told of the checkpoint after step 7, once the one after step 6 was taken. */
const passedOver = async (folder) => {
  const told = []
  const found = await checkpointsIn(folder).newest((message) => told.push(message))
  if (found?.step === 7) return
  const [message] = told
  if (found?.step !== 6 || told.length !== 1) throw new Error(`took ${found?.step}, told ${told}`)
  throw new TongueforgeError('ERR_CHECKPOINT', message, { hint: 'as the run is told' })
}
const chosen = (name, files, says, more = {}) => {
  const before = { ...GOOD, [STATE]: state({ step: 6 }) }
  const all = { 'step-00000006': { ...before, [MANIFEST]: manifest(before, { step: 6 }) }, [FOLDER]: files }
  return {
    name: `of two: ${name}`,
    files: Object.fromEntries(
      Object.entries(all).flatMap(([folder, inside]) =>
        Object.entries(inside).map(([file, content]) => [`checkpoints/${folder}/${file}`, content]),
      ),
    ),
    call: passedOver,
    code: 'ERR_CHECKPOINT',
    says: ['checkpoints/step-00000007', ...says],
    ...more,
  }
}
const choices = () => {
  const whole = { ...GOOD, [MANIFEST]: manifest(GOOD) }
  const odd = { ...GOOD, [STATE]: state({ sessions: null }) }
  return [
    chosen('a manifest that is null', { ...whole, [MANIFEST]: 'null' }, ['passed over']),
    chosen('a manifest that is gone', { ...GOOD }, ['passed over', 'no such file']),
    chosen('a state of other types', { ...odd, [MANIFEST]: manifest(odd) }, ['passed over', 'sessions']),
    chosen('a folder that is empty but for a text', { 'a.txt': 'x' }, ['passed over']),
    // These are whole, and not of this run: what is there is not passed over in silence.
    chosen('another version', { ...GOOD, [MANIFEST]: manifest(GOOD, { version: 9 }) }, ['version 9']),
    chosen('another config', { ...GOOD, [MANIFEST]: manifest(GOOD, { config_sha256: 'cd' }) }, [
      'of this config',
    ]),
    chosen('well-formed: the newest', whole, [], { code: undefined }),
  ]
}

const good = () => {
  const taken = (name, files, changes) =>
    row(`well-formed: ${name}`, { ...files, [MANIFEST]: manifest(files, changes) }, undefined, [], {
      code: undefined,
    })
  const { sha256: _, ...second } = manifest(GOOD, { version: 2 })
  return [
    taken('as it is written', GOOD),
    taken(
      'with more keys and files',
      { ...GOOD, 'more-1.bin': 'x' },
      { more: [1], eval_loss: 1.5, targets_reached: 2 },
    ),
    taken(
      'a loss that was no number',
      { ...GOOD, [STATE]: state({ evaluations: [{ step: 7, loss: null }] }) },
      { eval_loss: null },
    ),
    taken('of a run with anomalies and pruning', {
      ...GOOD,
      [STATE]: state({
        anomalies: [MET],
        recent: { losses: [1, 2], grad_norms: [1, 2] },
        pruning: {
          next: 9,
          done: [{ step: 3, target: 0.5, zeros: 10 }],
          postponed: [],
          gate: { first: [1] },
        },
      }),
    }),
    taken('before there were anomalies', {
      ...GOOD,
      [STATE]: { version: 1, step: 7, sessions: [], evaluations: [] },
    }),
    row('well-formed: version 2, without a hash', { ...GOOD, [MANIFEST]: second }, undefined, [], {
      code: undefined,
    }),
  ]
}

export const checkpoints = () => [...manifests(), ...places(), ...states(), ...choices(), ...good()]
