// Trainings in several processes of this machine, by the command `launch`.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { cli } from './cli.mjs'

let files = 0

/** Trains as a config says in so many processes: {code, out, err, seconds}. `onStart(child)` sees the launcher run. */
export async function trainTogether(folder, processes, config, { args = [], ...options } = {}) {
  const file = join(folder, `config-${files++}.json`)
  writeFileSync(file, JSON.stringify(config))
  const began = performance.now()
  const command = ['launch', '--processes', String(processes), '--', 'train', file, '--json', ...args]
  const ended = await cli(command, options)
  return { ...ended, seconds: (performance.now() - began) / 1000 }
}

/** Process ids of the ranks that a launcher has started, in their order. */
export function ranksOf({ pid }) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  const rank = (child) => Number(/(?:^|\0)RANK=(\d+)/.exec(readFileSync(`/proc/${child}/environ`, 'utf8'))[1])
  return children.map(Number).sort((a, b) => rank(a) - rank(b))
}

/** Waits until a run has taken so many updates. */
export async function updatesOf({ out }, count) {
  const file = join(out, 'metrics.jsonl')
  while (!existsSync(file) || readFileSync(file, 'utf8').split('\n').length <= count) await setTimeout(20)
}

export const metricsOf = ({ out }) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** Files that a run is still making, or was when it ended. */
export const halfMade = ({ out }) =>
  readdirSync(out, { recursive: true }).filter((name) => /(^|\/)\.(tmp|trash)-/.test(name))
