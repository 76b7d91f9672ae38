import { library } from './library'
import { JSON_OPTION, pick } from './options'
import { factsText, jsonText } from './print'
import { defineVerb } from './verb'

interface Values {
  out: string
  statistics?: string
  overwrite?: boolean
  dryRun?: boolean
}

export default defineVerb<Values>({
  name: 'convert',
  summary: 'a checkpoint of torch becomes a model folder in safetensors, without running anything of it',
  arguments: [
    {
      name: '<file>',
      description: 'pytorch_model.bin, its index or its folder, or a checkpoint of MelHuBERT',
    },
  ],
  options: [
    { flags: '--out <folder>', description: 'where the result goes', required: true },
    {
      flags: '--statistics <file>',
      description: 'of a MelHuBERT checkpoint: mean and deviation of its features, .npy',
    },
    { flags: '--dry-run', description: 'check everything and print the plan, write nothing' },
    { flags: '--overwrite', description: 'replace what is at --out' },
    JSON_OPTION,
  ],
  examples: [
    'convert path/to/model/pytorch_model.bin --out path/to/converted',
    'convert melhubert-20ms.ckpt --statistics libri-960-mean-std.npy --out path/to/melhubert',
  ],
  async run([file], values, io) {
    const { convert } = library()
    const report = await convert(
      { file, ...pick(values, ['out', 'statistics', 'overwrite', 'dryRun']) },
      {
        signal: io.signal,
        onWarning: io.say,
        onProgress: ({ done_bytes, total_bytes }) =>
          io.progress.update({ label: 'convert', done: done_bytes, total: total_bytes, unit: 'bytes' }),
      },
    )
    io.progress.end()
    io.write(io.json ? jsonText(report) : factsText(report))
    return 0
  },
})
