import type { Libtorch } from '../libtorch_folders'
import { cleanCache, ensureLibtorch, libtorchFrom } from '../setup'
import { JSON_OPTION, usageError } from './options'
import { factsText, jsonText } from './print'
import { defineVerb, type Io } from './verb'

interface Values {
  from?: string
  clean?: boolean
  cuda?: boolean
}

export default defineVerb<Values>({
  name: 'setup',
  summary: 'find libtorch, or fetch it into the cache',
  arguments: [],
  options: [
    {
      flags: '--from <folder>',
      description: 'take it from a folder: of wheels, or a libtorch (linked, not copied)',
    },
    { flags: '--clean', description: 'remove the libtorch and the encoded data in the cache' },
    { flags: '--cuda', description: 'one with CUDA, for `npm run build -- --cuda`' },
    JSON_OPTION,
  ],
  examples: ['setup', 'setup --from downloads/', 'setup --cuda'],
  async run(_args, { from, clean, cuda }, io) {
    if (clean && from) throw usageError('expected one of --clean and --from, received both')
    if (from === '') throw usageError('--from: expected a folder, received an empty text')
    if (clean && cuda) throw usageError('expected one of --clean and --cuda, received both')
    if (clean) return sayRemoved(await cleanCache(), io)
    const options = {
      cuda,
      signal: io.signal,
      onProgress: ({ step, done, total }: { step: string; done?: number; total?: number | undefined }) =>
        io.progress.update({ label: step, done, total, unit: 'bytes' }),
    }
    sayFound(await (from ? libtorchFrom(from, options) : ensureLibtorch(options)), io)
    return 0
  },
})

function sayRemoved(removed: string[], io: Io): number {
  if (io.json) io.write(jsonText({ removed }))
  else io.write(removed.length > 0 ? `removed ${removed.join(', ')}\n` : 'nothing to remove\n')
  return 0
}

function sayFound(libtorch: Libtorch, io: Io): void {
  io.progress.end()
  io.write(io.json ? jsonText(libtorch) : factsText(libtorch))
}
