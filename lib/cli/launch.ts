import { join } from 'node:path'
import { launch } from '../distributed/launch'
import { integer, usageError } from './options'
import { defineVerb } from './verb'

interface Values {
  processes: number
}

export default defineVerb<Values>({
  name: 'launch',
  summary: 'run a command in several processes that train together',
  arguments: [{ name: '<command...>', description: 'train and its arguments, after --' }],
  options: [
    {
      flags: '--processes <n>',
      description: 'of this host: one a GPU',
      parse: positive,
      required: true,
    },
  ],
  examples: ['launch --processes 2 -- train config.yaml --resume'],
  async run([command], { processes }, io) {
    const program = [process.execPath, join(__dirname, 'main.js'), ...command]
    const { signal } = io
    return launch({ processes, command: program, env: process.env, signal, say: (line) => io.say(line) })
  },
})

function positive(text: string, flag: string): number {
  const processes = integer(text, flag)
  if (processes >= 1) return processes
  throw usageError(`${flag}: expected a whole number from 1, received '${text}'`)
}
