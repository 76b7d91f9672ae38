// Which heads matter (E7: "the significance of diagonal attention heads", arXiv 2211.09949), on a model of run.mjs: how each
// head looks, when it leaves if heads are pruned in seven steps, and what half of them cost if the most diagonal ones go, the
// least diagonal ones, or others.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { attention, compress, landscape } from 'tongueforge'
import { Random } from '#lib/text/random'

const DRAWS = 3

/** `config`: what the landscape was given, without techniques. Yields a line a finding. */
export async function* findings(config, { heldOut, layers, heads, warn }) {
  const { model, out, seed } = config
  for (const criterion of ['l1', 'data']) {
    const run = join(out, `order-${criterion}`)
    if (!existsSync(join(run, 'report.json')))
      await pruneInSteps(config, criterion, { run, layers, heads, warn })
    const {
      spread,
      uniform,
      pruned,
      heads: all,
    } = await attention(model, { data: heldOut, pruned: run, seed })
    if (criterion === 'l1') yield { look: { spread, uniform, heads: all.map(shapeOf) } }
    yield { order: criterion, correlations: pruned.correlations, refused: pruned.refused }
  }
  const { heads: all } = await attention(model, { data: heldOut })
  const { techniques, ...rest } = {
    ...config,
    out: join(out, 'halves'),
    techniques: halves(all, layers, seed),
  }
  const run = landscape({ ...rest, techniques }, { resume: true, onWarning: warn })
  for await (const { point, loss, error } of run) yield { halves: point, held_out: loss, error }
  await run.result
}

const shapeOf = ({ layer, head, diagonality, globality }) => ({ layer, head, diagonality, globality })

async function pruneInSteps(config, criterion, { run, layers, heads, warn }) {
  const { model, sound, calibration, recovery, threads, seed } = config
  const most = criterion === 'l1' ? { keep: 1 } : { remove: layers * (heads - 1), scope: 'global' }
  const stage = { method: 'heads', criterion, ...most, steps: heads - 1, recover: {} }
  const { result } = compress(
    { model, sound, calibration, recovery, threads, seed, out: run, stages: [stage] },
    { resume: true, onWarning: warn },
  )
  await result
}

/** Half of the heads go, untrained: by how they look, or drawn. One head of each layer stays at least. */
function halves(all, layers, seed) {
  const byLook = all.toSorted((a, b) => b.diagonality - a.diagonality)
  const choices = { most_diagonal: byLook, least_diagonal: byLook.toReversed() }
  for (let draw = 0; draw < DRAWS; draw++)
    choices[`drawn_${draw}`] = [...new Random(seed, draw).permutation(all.length)].map((i) => all[i])
  return Object.entries(choices).map(([name, order]) => ({
    name,
    stages: [{ method: 'heads', heads: firstHalf(order, all.length / layers) }],
  }))
}

function firstHalf(order, ofLayer) {
  const gone = {}
  let left = order.length / 2
  for (const { layer, head } of order) {
    gone[layer] ??= []
    if (left === 0 || gone[layer].length === ofLayer - 1) continue
    gone[layer].push(head)
    left--
  }
  return Object.fromEntries(Object.entries(gone).filter(([, heads]) => heads.length > 0))
}
