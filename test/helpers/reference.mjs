// Calls the programs of test/parity, which are transformers, TRL and TensorBoard, each in its environment of
// `npm run test:parity`.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const programs = join(dirname(fileURLToPath(import.meta.url)), '../parity')

/** Runs `reference.py ...args` with `input` as JSON on its standard input; resolves with the document it prints. */
export const reference = (args, input) => ask('TONGUEFORGE_PARITY_PYTHON', 'reference.py', args, input)

/** The same of `objectives_reference.py`. */
export const objectivesReference = (args, input) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'objectives_reference.py', args, input)

/** Calls `distil_reference.py`. */
export const distilReference = (args, input) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'distil_reference.py', args, input)

/** The same of `trl_reference.py`. */
export const trlReference = (args, input) => ask('TONGUEFORGE_TRL_PYTHON', 'trl_reference.py', args, input)

/** The same of `tensorboard_reference.py`. */
export const tensorboardReference = (args) =>
  ask('TONGUEFORGE_TENSORBOARD_PYTHON', 'tensorboard_reference.py', args)

/** The same of `bpe_reference.py`. */
export const bpeReference = (args, input) => ask('TONGUEFORGE_PARITY_PYTHON', 'bpe_reference.py', args, input)

/** What `macs_reference.py` counts for each of the cases. */
export const macsReference = (cases) => ask('TONGUEFORGE_PARITY_PYTHON', 'macs_reference.py', [], cases)

/** What `delta_reference.py` says of a delta. */
export const deltaReference = (args) => ask('TONGUEFORGE_PARITY_PYTHON', 'delta_reference.py', args)

/** The same of `lowrank_reference.py`. */
export const lowrankReference = (args, input) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'lowrank_reference.py', args, input)

/** The same of `structure_reference.py`. */
export const structureReference = (args, input) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'structure_reference.py', args, input)

/** Has `compress_weights_reference.py` prune models, each as its settings say. */
export const compressWeightsReference = (input) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'compress_weights_reference.py', [], input)

/** What Torch-Pruning makes of a model, by `torch_pruning_reference.py`. */
export const torchPruningReference = (args, input) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'torch_pruning_reference.py', args, input)

/** The same of `pruned_training_reference.py`. */
export const prunedTrainingReference = (args, input) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'pruned_training_reference.py', args, input)

/** How the heads of encoders look by the attentions of transformers, by `attention_reference.py`. */
export const attentionReference = (cases) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'attention_reference.py', [], cases)

/** The same of `probe_reference.py`. */
export const probeReference = (args, input) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'probe_reference.py', args, input)

/** What lm-evaluation-harness finds, by `evaluate_reference.py`. */
export const evaluateReference = (args, runs) =>
  ask('TONGUEFORGE_EVALUATE_PYTHON', 'evaluate_reference.py', args, runs)

/** What fastText says of texts, by models that it has trained: `fasttext_reference.py`. */
export const fastTextReference = (input) =>
  ask('TONGUEFORGE_FASTTEXT_PYTHON', 'fasttext_reference.py', [], input)

/** What torchaudio and scikit-learn make of sound and points, by `audio_reference.py`. */
export const audioReference = (args, input) =>
  ask('TONGUEFORGE_AUDIO_PYTHON', 'audio_reference.py', args, input)

/** What compressed-tensors and transformers read of quantised folders, by `quantize_reference.py`. */
export const quantizeReference = (input) =>
  ask('TONGUEFORGE_QUANTIZE_PYTHON', 'quantize_reference.py', [], input)

/** What `torch_files_reference.py` has written. */
export const torchFilesReference = (args) =>
  ask('TONGUEFORGE_PARITY_PYTHON', 'torch_files_reference.py', args)

async function ask(interpreter, program, args, input) {
  const python = process.env[interpreter]
  if (!python) throw new Error(`expected ${interpreter}; start these tests with \`npm run test:parity\``)
  const env = { ...process.env, HF_HUB_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1' }
  const child = spawn(python, [join(programs, program), ...args.map(String)], { env })
  const ended = new Promise((done, reject) => child.on('error', reject).on('close', done))
  child.stdin.end(JSON.stringify(input ?? null))
  const [output, log, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with code ${code}:\n${log}`)
  return JSON.parse(output)
}
