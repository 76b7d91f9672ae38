// Live comparison with transformers, TRL and TensorBoard: sets up the project and pinned Python environments in build/,
// once, then runs test/parity. Variables: python_environments.mjs.
// Arguments go to the test runner: npm run test:parity -- --test-name-pattern qwen2
import { buildProgram } from './fuzz.mjs'
import { prepareEnvironments, runTestsWith } from './python_environments.mjs'
import { setUp } from './setup.mjs'
import { runScript } from './steps.mjs'

/** One a peer, as their requirements need not agree. To add one: a row, its requirements and its program. */
const ENVIRONMENTS = [
  {
    name: 'transformers',
    folder: 'build/parity-env',
    requirements: ['test/parity/requirements.txt'],
    variable: 'TONGUEFORGE_PARITY_PYTHON',
  },
  {
    name: 'TRL',
    folder: 'build/parity-env-trl',
    requirements: ['test/parity/trl_requirements.txt', 'test/parity/requirements.txt'],
    variable: 'TONGUEFORGE_TRL_PYTHON',
  },
  {
    name: 'compressed-tensors',
    folder: 'build/parity-env-quantize',
    requirements: ['test/parity/quantize_requirements.txt', 'test/parity/requirements.txt'],
    variable: 'TONGUEFORGE_QUANTIZE_PYTHON',
  },
  {
    name: 'torchaudio, scikit-learn',
    folder: 'build/parity-env-audio',
    requirements: ['test/parity/audio_requirements.txt'],
    variable: 'TONGUEFORGE_AUDIO_PYTHON',
  },
  {
    name: 'lm-evaluation-harness',
    folder: 'build/parity-env-evaluate',
    requirements: ['test/parity/evaluate_requirements.txt', 'test/parity/requirements.txt'],
    variable: 'TONGUEFORGE_EVALUATE_PYTHON',
  },
  {
    name: 'fastText',
    folder: 'build/parity-env-fasttext',
    requirements: ['test/parity/fasttext_requirements.txt'],
    variable: 'TONGUEFORGE_FASTTEXT_PYTHON',
  },
  {
    name: 'TensorBoard',
    folder: 'build/parity-env-tensorboard',
    requirements: ['test/parity/tensorboard_requirements.txt'],
    variable: 'TONGUEFORGE_TENSORBOARD_PYTHON',
  },
  {
    name: 'safetensors',
    folder: 'build/parity-env-safetensors',
    requirements: ['test/parity/safetensors_requirements.txt'],
    variable: 'TONGUEFORGE_SAFETENSORS_PYTHON',
  },
]

await runScript(async () => {
  await setUp()
  await prepareEnvironments(ENVIRONMENTS)
  process.env.TONGUEFORGE_HEADER_VERDICTS = await buildProgram('header_verdicts')
  return runTestsWith(ENVIRONMENTS, 'test/parity', process.argv.slice(2))
})
