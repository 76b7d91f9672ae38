// npm run build: set-up with a choice of native build.
//   npm run build                                  what the library loads: build/Release
//   npm run build -- --debug                       build/debug: no optimisation, assertions, debug symbols
//   npm run build -- --sanitize address,undefined  build/address-undefined: with sanitizers (also: thread)
//   npm run build -- --cuda                        build/cuda: with the CUDA kernels, against a libtorch with CUDA
//   npm run build -- --verbose                     shows what the compiler says
import { parseArgs } from 'node:util'
import { addonOf } from './native_build.mjs'
import { setUp } from './setup.mjs'
import { runScript, StepError } from './steps.mjs'

await runScript(async () => {
  const options = readOptions()
  await setUp(options)
  if (options.debug || options.sanitize || options.cuda) {
    process.stdout.write(`\nTo use it: TONGUEFORGE_ADDON=${addonOf(options)} node ...\n`)
  }
})

function readOptions() {
  const flag = { type: 'boolean' }
  const options = { debug: flag, verbose: flag, cuda: flag, sanitize: { type: 'string' } }
  const { values } = parse(options)
  const unknown = values.sanitize
    ?.split(',')
    .find((name) => !['address', 'undefined', 'thread', 'leak'].includes(name))
  if (unknown)
    throw new StepError(`--sanitize: expected address, undefined, thread or leak, received ${unknown}`)
  return values
}

function parse(options) {
  try {
    return parseArgs({ options })
  } catch (error) {
    throw new StepError(error.message, {
      hint: 'npm run build -- [--debug] [--sanitize address,undefined] [--cuda] [--verbose]',
    })
  }
}
