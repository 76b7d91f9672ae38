/** The points of a landscape: techniques at their rates, each with the config of `compress` that makes it. */
import type { LandscapeConfig, Rate, TechniqueConfig } from '../../config/landscape'
import { configError } from '../../config/parse'

export interface PointPlan {
  /** Also the name of its folder: `magnitude-0.5`. */
  name: string
  technique: string
  /** Null where a technique has none. */
  rate: Rate | null
  /** Keys of `compress` but out: what is done. */
  config: Record<string, unknown>
}

/** The model that all points start from, itself a point. */
export const ORIGINAL = { name: 'original', technique: 'original', rate: null } as const

/** In the order of the config. Throws ERR_CONFIG for a $name that no rate has, a rate that stands nowhere, equal names. */
export function pointsOf(config: LandscapeConfig, file: string): PointPlan[] {
  const points = config.techniques.flatMap((technique, i) =>
    (technique.rates ?? [null]).map((rate, j) => {
      const place = { file, key: `techniques.${i}`, rate: `techniques.${i}.rates.${j}` }
      const rest =
        rate === null
          ? ''
          : `-${rateText(rate, '-')
              .replaceAll(' ', '')
              .replace(/[^\w.-]/g, '_')}`
      return {
        ...{ name: technique.name + rest, technique: technique.name, rate },
        config: compressKeys(config, technique, rate, place),
      }
    }),
  )
  const names = [ORIGINAL, ...points].map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return points
  throw configError(file, `techniques: expected a name and rates of their own, received ${twice} twice`, {
    hint: 'Points are told apart by the name of the technique and the rate.',
    key: 'techniques',
  })
}

/** `0.5`, or `heads 6, rows 512`. */
export function rateText(rate: Rate, between = ', '): string {
  if (typeof rate !== 'object') return String(rate)
  return Object.entries(rate)
    .map(([name, value]) => `${name} ${value}`)
    .join(between)
}

interface Place {
  file: string
  /** Of the technique, of the rate. */
  key: string
  rate: string
}

function compressKeys(
  { model, sound, calibration, recovery, data_cache, device, dtype, threads, seed }: LandscapeConfig,
  { stages }: TechniqueConfig,
  rate: Rate | null,
  place: Place,
): Record<string, unknown> {
  const values = rate === null ? {} : typeof rate === 'object' ? rate : { rate }
  const used = new Set<string>()
  const filled = stages.map((stage, i) =>
    withValues(stage, values, used, { ...place, key: `${place.key}.stages.${i}` }),
  )
  const idle = Object.keys(values).find((name) => !used.has(name))
  if (idle !== undefined) {
    throw configError(place.file, `${place.rate}: expected $${idle} somewhere in stages, found none`, {
      hint: `Put $${idle} where its value goes, as in { method: prune, sparsity: $${idle} }.`,
      key: place.rate,
    })
  }
  const keys = {
    model,
    sound,
    calibration,
    recovery,
    data_cache,
    device,
    dtype,
    threads,
    seed,
    stages: filled,
  }
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined))
}

function withValues(
  node: unknown,
  values: Readonly<Record<string, number | string>>,
  used: Set<string>,
  place: Place,
): unknown {
  if (Array.isArray(node))
    return node.map((item, i) => withValues(item, values, used, { ...place, key: `${place.key}.${i}` }))
  if (typeof node === 'object' && node !== null) {
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) => [
        key,
        withValues(value, values, used, { ...place, key: `${place.key}.${key}` }),
      ]),
    )
  }
  const name = typeof node === 'string' ? /^\$([A-Za-z_]\w*)$/.exec(node)?.[1] : undefined
  if (name === undefined) return node
  if (!Object.hasOwn(values, name)) throw unknownName(name, Object.keys(values), place)
  used.add(name)
  return values[name]
}

function unknownName(name: string, known: readonly string[], { file, key }: Place) {
  const expected = known.map((one) => `$${one}`).join(', ') || 'a value, as there are no rates'
  return configError(file, `${key}: expected ${expected}, received $${name}`, {
    hint: 'A rate that is a number or text is called $rate; a table { heads: 6 } gives $heads.',
    key,
  })
}
