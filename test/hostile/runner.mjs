// Runs one case of the corpus and judges the answer: the code, what the message names, what it cost, what is left behind.
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { TongueforgeError } from 'tongueforge'

/**
 * What an answer may cost: milliseconds of CPU of all threads, bytes beyond what was held before. Beside other programs a
 * core takes longer for the same work, so the 100 ms that are promised are asked for in full runs only.
 */
export const LIMITS = {
  cpuMs: process.env.TONGUEFORGE_STRESS === 'full' ? 100 : 300,
  rssBytes: 64 * 2 ** 20,
  messageCharacters: 2010,
  loopMs: 250,
}
/** An answer that does not come is a failure like any other. */
const DEADLINE = 20_000
/** A measured time is that of the best of so many calls: other programs run on this machine, too. */
const ATTEMPTS = 4

/**
 * Judges a case in a folder of its own. Resolves with { problems, cpuMs, rssBytes, code }; no problems: as expected.
 */
export async function judge(hostile) {
  const folder = mkdtempSync(join(tmpdir(), 'tongueforge-hostile-'))
  const problems = []
  try {
    writeFiles(folder, typeof hostile.files === 'function' ? hostile.files(folder) : hostile.files)
    await hostile.prepare?.(folder)
    const before = listing(folder)
    const first = await measured(hostile, folder) // warms up: what is loaded once is no part of an answer
    problems.push(...wrongAnswer(hostile, first, folder))
    const left = listing(folder).filter((line) => !before.includes(line))
    if (!hostile.writes && left.length > 0) problems.push(`left behind: ${left.slice(0, 5).join(', ')}`)
    const cost = problems.length > 0 || hostile.once ? first : await cheapest(hostile, folder)
    return { problems: [...problems, ...tooDear(hostile, cost)], ...cost }
  } finally {
    await hostile.after?.(folder)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Files of a case: path -> bytes, text, or an object as JSON. */
function writeFiles(folder, files = {}) {
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    const isRaw = typeof content === 'string' || content instanceof Uint8Array
    writeFileSync(file, isRaw ? content : JSON.stringify(content))
  }
}

/** Everything in a folder, with its size. */
function listing(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    return `${path.slice(folder.length + 1)} ${entry.isFile() ? lstatSync(path).size : ''}`
  })
}

/** The cost that is least of some calls; the first that is within the limits will do. */
async function cheapest(hostile, folder) {
  let best
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const cost = await measured(hostile, folder)
    const [rssBytes, loopMs] = ['rssBytes', 'loopMs'].map((key) =>
      Math.min(cost[key], best?.[key] ?? Infinity),
    )
    best = { ...(best === undefined || cost.cpuMs < best.cpuMs ? cost : best), rssBytes, loopMs }
    if (tooDear(hostile, best).length === 0) break
  }
  return best
}

async function measured(hostile, folder) {
  const loop = isLarge(hostile) ? await watchLoop() : undefined
  resetPeak()
  const held = memoryOf('VmRSS')
  const began = process.cpuUsage()
  const answer = await answerOf(hostile, folder)
  const { user, system } = process.cpuUsage(began)
  return {
    ...answer,
    cpuMs: (user + system) / 1000,
    rssBytes: Math.max(0, memoryOf('VmHWM') - held),
    loopMs: (await loop?.latest()) ?? 0,
  }
}

async function answerOf(hostile, folder) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer after ${DEADLINE} ms`)), DEADLINE)
  })
  try {
    await Promise.race([hostile.call(folder), late])
    return { code: 'accepted' }
  } catch (error) {
    return { code: error?.code ?? 'none', error }
  } finally {
    clearTimeout(timer)
  }
}

function wrongAnswer(
  { code: expected = 'accepted', says = [], file, either = false },
  { code, error },
  folder,
) {
  const told = error ? `${code}: ${String(error?.message ?? error).slice(0, 300)}` : code
  if (either && code === 'accepted') return []
  if (expected === 'accepted') return code === 'accepted' ? [] : [`refused: ${told}`]
  if (code === 'accepted') return [`accepted, expected ${expected}`]
  if (!(error instanceof TongueforgeError)) return [`no TongueforgeError: ${error?.stack ?? error}`]
  const problems = []
  if (![expected].flat().includes(code)) problems.push(`expected ${expected}, received ${told}`)
  const { message, hint } = error
  for (const word of [...says, ...(file === undefined ? [] : [file])])
    if (!message.includes(word)) problems.push(`the message does not name ${JSON.stringify(word)}: ${told}`)
  if (message.length > LIMITS.messageCharacters) problems.push(`a message of ${message.length} characters`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal would obey them
  if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(message.replaceAll(folder, '')))
    problems.push(`control characters in the message: ${JSON.stringify(message.slice(0, 300))}`)
  if (!hint && !message.includes('expected')) problems.push(`neither a hint nor what was expected: ${told}`)
  return problems
}

function tooDear({ limits = {} }, { cpuMs, rssBytes, loopMs }) {
  const { cpuMs: most, rssBytes: mostBytes, loopMs: mostLoop } = { ...LIMITS, ...limits }
  return [
    ...(cpuMs < most ? [] : [`took ${cpuMs.toFixed(0)} ms of CPU`]),
    ...(rssBytes < mostBytes ? [] : [`took ${(rssBytes / 2 ** 20).toFixed(0)} MB`]),
    ...(loopMs < mostLoop ? [] : [`held the event loop for ${loopMs.toFixed(0)} ms`]),
  ]
}

/** Cases whose files have so many bytes are watched without being asked. */
const LARGE = 100_000
const isLarge = ({ large, files }) =>
  large ?? (typeof files === 'object' && Object.values(files).some((content) => content?.length > LARGE))

const TICK = 2

/**
 * How late the event loop is from now on, at most. It is told from one tick to the next: one has to lie before the work and
 * one behind it, or work that is over before the next tick is never seen.
 */
async function watchLoop() {
  const delay = monitorEventLoopDelay({ resolution: TICK })
  delay.enable()
  await sleep(4 * TICK)
  delay.reset()
  return {
    async latest() {
      await sleep(4 * TICK)
      delay.disable()
      return Math.max(0, delay.max / 1e6 - TICK)
    },
  }
}

/** Forgets the largest resident size until now: clear_refs 5, see proc(5). */
const resetPeak = () => writeFileSync('/proc/self/clear_refs', '5')

/** A row of /proc/self/status, in bytes. */
const memoryOf = (row) =>
  1024 * Number(new RegExp(`^${row}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1])
