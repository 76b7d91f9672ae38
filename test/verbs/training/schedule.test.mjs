// Learning rates against plain references: knots with straight lines between them, and other forms of the curves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { checkSchedule, decayUpdates, learningRate } from '#lib/verbs/training/schedule'
import { random, seed } from '../../helpers/stress.mjs'

const KINDS = ['cosine', 'linear', 'constant', 'wsd']

/** Configs of all kinds; wsd with both shapes, by share and by count. */
function* configs() {
  const draw = random()
  const below = (limit) => Math.floor(draw() * limit)
  for (let round = 0; round < 60; round++) {
    for (const kind of KINDS) {
      const steps = 2 + below(200)
      const warmup = below(Math.ceil(steps / 2))
      const room = steps - warmup
      const decay = round % 2 ? 1 + below(room) : Math.min(0.05 + below(90) / 100, room / steps - 1e-9)
      const lr = (1 + below(1000)) / 1000
      const decay_shape = round % 3 ? 'linear' : '1-sqrt'
      const schedule = { kind, warmup, min_lr: (lr * below(5)) / 10, decay, decay_shape }
      yield { optimizer: { lr }, schedule, steps }
    }
  }
}

const ratesOf = (config) => Array.from({ length: config.steps }, (_, step) => learningRate(config, step))
const close = (received, expected, what) =>
  assert.ok(Math.abs(received - expected) <= 1e-12, `${what}: expected ${expected}, received ${received}`)

/** Straight lines between [step, value] knots. */
function interpolated(knots, step) {
  const next = knots.findIndex(([at]) => at >= step)
  const [[x1, y1], [x2, y2]] = [knots[next - 1] ?? knots[0], knots[next]]
  return x1 === x2 ? y2 : y1 + ((y2 - y1) * (step - x1)) / (x2 - x1)
}

function expected({ optimizer: { lr }, schedule, steps }, step) {
  const { kind, warmup, min_lr, decay, decay_shape } = schedule
  if (step < warmup) return interpolated([[-1, 0], [warmup - 1, lr]], step) // biome-ignore format: knots
  if (kind === 'constant') return lr
  const last = steps - 1
  if (kind === 'wsd') {
    const updates = decay < 1 ? Math.max(1, Math.round(decay * steps)) : decay
    const stable = last - updates
    if (step <= stable) return lr
    if (decay_shape === 'linear') return interpolated([[stable, lr], [last, min_lr]], step) // biome-ignore format: knots
    return lr - (lr - min_lr) * ((step - stable) / updates) ** 0.5
  }
  if (step === warmup) return lr
  if (kind === 'linear') return interpolated([[warmup, lr], [last, min_lr]], step) // biome-ignore format: knots
  return min_lr + (lr - min_lr) * Math.cos((Math.PI / 2) * ((step - warmup) / (last - warmup))) ** 2
}

test(`every schedule is that of its plain reference (TONGUEFORGE_SEED=${seed})`, () => {
  for (const config of configs())
    ratesOf(config).forEach((rate, step) => {
      close(rate, expected(config, step), `${JSON.stringify(config)} at ${step}`)
    })
})

test(`lr rises to its height by the end of the warm-up, never rises again, and ends at min_lr (TONGUEFORGE_SEED=${seed})`, () => {
  for (const config of configs()) {
    const { optimizer, schedule, steps } = config
    const rates = ratesOf(config)
    if (schedule.warmup > 0) close(rates[schedule.warmup - 1], optimizer.lr, 'end of the warm-up')
    for (let step = schedule.warmup + 1; step < steps; step++)
      assert.ok(rates[step] <= rates[step - 1] + 1e-12, `${JSON.stringify(config)} at ${step}`)
    // Where there is no room to fall, the first rate after the warm-up is the last as well.
    const falls = schedule.kind === 'wsd' || steps - 1 > schedule.warmup
    const end = schedule.kind === 'constant' || !falls ? optimizer.lr : schedule.min_lr
    close(rates.at(-1), end, JSON.stringify(config))
  }
})

test('the stable part of wsd does not know how long the run is', () => {
  const of = (steps) => ({
    optimizer: { lr: 0.1 },
    schedule: { kind: 'wsd', warmup: 3, min_lr: 0, decay: 5, decay_shape: 'linear' },
    steps,
  })
  assert.deepEqual(ratesOf(of(20)).slice(0, 15), ratesOf(of(90)).slice(0, 15))
  assert.deepEqual(ratesOf(of(20)).slice(-6), ratesOf(of(90)).slice(-6))
})

test('a share and a count of updates that fall say the same', () => {
  const of = (decay) => decayUpdates({ schedule: { decay }, steps: 50 })
  assert.equal(of(0.2), of(10))
  assert.equal(of(0.001), 1)
  assert.equal(of(1), 1)
})

test('a decay that would begin in the warm-up is refused', async () => {
  const config = { schedule: { kind: 'wsd', warmup: 20, decay: 0.9 }, steps: 100 }
  assert.doesNotThrow(() => checkSchedule({ ...config, schedule: { ...config.schedule, decay: 0.8 } }, 'c'))
  assert.doesNotThrow(() =>
    checkSchedule({ ...config, schedule: { ...config.schedule, kind: 'cosine' } }, 'c'),
  )
  await assert.rejects(
    train({ model: 'none', out: 'none', data: [{ path: 'none' }], ...config }).result,
    (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(
        error.message,
        /schedule\.decay: expected at most steps - warmup = 80 updates, received 90/,
      )
      assert.match(error.hint, /schedule\.warmup/)
      return true
    },
  )
})
