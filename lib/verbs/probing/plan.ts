/** Everything about probes that is known before the first sample is read: utterances by their heads, labels, classes. */
import { dirname } from 'node:path'
import type { FrontEnd } from '../../audio/front_end'
import { type AudioList, listAudio, type Utterance } from '../../audio/list'
import type { AudioSource } from '../../config/audio'
import { configError } from '../../config/parse'
import type { OneProbe, ProbingConfig } from '../../config/probe'
import { TongueforgeError } from '../../errors'
import { type Lexicon, readLexicon } from '../../text/lexicon'
import { canonicalJson } from '../training/identity'
import { classesOf, numbered } from './classes'
import type { Label } from './kind'
import { KINDS } from './kinds'

export interface PlannedExamples {
  /** By their number in the plan. */
  utterances: Int32Array
  targets: Int32Array[]
}

export interface PlannedProbe {
  config: OneProbe
  /** By number; before those that labels name, of a sequence the blank. */
  classes: string[]
  /** One where the config has no folds. */
  trains: PlannedExamples[]
  test: PlannedExamples
}

export interface ProbePlan {
  config: ProbingConfig
  /** All of which some probe learns or is judged, each once, by path. */
  utterances: Utterance[]
  places: number[]
  probes: PlannedProbe[]
  seconds: number
  /** Files that were left out, as `invalid: skip` says. */
  skipped: number
}

export interface Listening {
  signal?: AbortSignal | undefined
  onWarning?: ((message: string) => void) | undefined
}

/** Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA. `frontEnd`: of the model that is probed. */
export async function planProbes(
  config: ProbingConfig,
  frontEnd: FrontEnd,
  options: Listening = {},
): Promise<ProbePlan> {
  checkNames(config)
  const reading = new Reading(frontEnd, options)
  const read: ReadProbe[] = []
  for (const probe of config.probes) read.push(await reading.probe(probe, config))
  const byPath = new Map(read.flatMap(({ all }) => all).map((one) => [one.utterance.path, one.utterance]))
  const utterances = [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  const numbers = new Map(utterances.map(({ path }, i) => [path, i]))
  return {
    config,
    utterances,
    places: utterances.map(({ samples, rate }) => frontEnd.places(samples, rate)),
    probes: read.map((one) => planned(one, numbers, options)),
    seconds: utterances.reduce((sum, { seconds }) => sum + seconds, 0),
    skipped: reading.skipped,
  }
}

/** Their figures and files are told apart by name. */
function checkNames({ probes }: ProbingConfig): void {
  const names = probes.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return
  throw configError('config', `probes: expected a name of its own for each, received ${twice} twice`, {
    hint: 'Say what each looks at: digit, digit-last.',
    key: 'probes',
  })
}

interface Labelled {
  utterance: Utterance
  label: Label
}

interface ReadProbe {
  config: OneProbe
  trains: Labelled[][]
  test: Labelled[]
  all: Labelled[]
}

/** Sources and lexicons, each read once however many probes name them. */
class Reading {
  skipped = 0
  private readonly lists = new Map<string, AudioList>()
  private readonly lexicons = new Map<string, Lexicon>()

  constructor(
    private readonly frontEnd: FrontEnd,
    private readonly options: Listening,
  ) {}

  async probe(config: OneProbe, { train, folds, test }: ProbingConfig): Promise<ReadProbe> {
    const own = config.train ?? config.folds
    const sources = sourcesOf(config, own ? config : { train, folds }, config.test ?? test)
    const trains: Labelled[][] = []
    for (const source of sources.trains) trains.push(await this.labelled(source, config))
    const judged = await this.labelled(sources.test, config)
    for (const one of trains) checkApart(config, one, judged)
    return { config, trains, test: judged, all: [...trains.flat(), ...judged] }
  }

  private async labelled(sources: readonly AudioSource[], probe: OneProbe): Promise<Labelled[]> {
    const lexicon = await this.lexicon(probe)
    const found: Labelled[] = []
    const { utterances } = await this.list(sources)
    for (const utterance of utterances.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
      this.options.signal?.throwIfAborted()
      const folder = dirname(sources[utterance.source]!.path)
      const places = this.frontEnd.places(utterance.samples, utterance.rate)
      const about = { probe, frontEnd: this.frontEnd, lexicon, folder, places }
      found.push({ utterance, label: await KINDS[probe.kind].read(utterance, about) })
    }
    checkOnce(found)
    return found
  }

  private async list(sources: readonly AudioSource[]): Promise<AudioList> {
    const key = canonicalJson(sources)
    const known = this.lists.get(key)
    if (known) return known
    const { leastSeconds } = this.frontEnd
    const list = await listAudio(sources, { ...this.options, leastSeconds })
    this.skipped += list.skipped
    this.lists.set(key, list)
    return list
  }

  private async lexicon({ name, kind, lexicon: file }: OneProbe): Promise<Lexicon | undefined> {
    if (file === undefined) return undefined
    if (kind !== 'sequence')
      throw configError(
        'config',
        `probes: ${name}: lexicon: expected kind: sequence with it, received ${kind}`,
        {
          hint: 'Phones stand in place of words in a sequence alone.',
          key: 'probes',
        },
      )
    const known = this.lexicons.get(file) ?? (await readLexicon(file))
    this.lexicons.set(file, known)
    return known
  }
}

interface Trained {
  train?: AudioSource[] | undefined
  folds?: AudioSource[][] | undefined
}

/** Of a probe its own, else those of all. */
function sourcesOf(
  { name }: OneProbe,
  { train, folds }: Trained,
  test: AudioSource[] | undefined,
): { trains: AudioSource[][]; test: AudioSource[] } {
  if ((train === undefined) === (folds === undefined)) {
    const received = train ? 'both' : 'neither'
    throw configError('config', `probes: ${name}: expected train or folds, received ${received}`, {
      hint: 'train: [{ path: speech/manifest.csv, where: { set: train } }], for the probe or for all.',
      key: 'probes',
    })
  }
  if (test) return { trains: train ? [train] : folds!, test }
  throw configError('config', `probes: ${name}: expected test, received nothing`, {
    hint: 'test: [{ path: speech/manifest.csv, where: { set: test } }], for the probe or for all.',
    key: 'probes',
  })
}

/** Of several sources. */
function checkOnce(found: readonly Labelled[]): void {
  for (const [i, { utterance }] of found.entries())
    if (i > 0 && found[i - 1]!.utterance.path === utterance.path)
      throw new TongueforgeError(
        'ERR_DATA',
        `${utterance.path}: expected once among the sources, found twice`,
        {
          hint: 'Name it in one of them.',
          details: { file: utterance.path },
        },
      )
}

/** What was learned says nothing of what is not. */
function checkApart({ name }: OneProbe, train: readonly Labelled[], test: readonly Labelled[]): void {
  const learned = new Set(train.map(({ utterance }) => utterance.path))
  const both = test.find(({ utterance }) => learned.has(utterance.path))
  if (!both) return
  const file = both.utterance.path
  throw new TongueforgeError('ERR_DATA', `${file}: expected in train or in test of ${name}, found in both`, {
    hint: 'A probe is judged on sound that it has not learned. Part a manifest with where.',
    details: { file, probe: name },
  })
}

function planned(
  { config, trains, test }: ReadProbe,
  numbers: ReadonlyMap<string, number>,
  { onWarning }: Listening,
): PlannedProbe {
  const labels = (found: readonly Labelled[]) => found.map(({ label }) => label)
  const classes = classesOf(config, trains.map(labels), labels(test), onWarning)
  const examples = (found: readonly Labelled[]): PlannedExamples => ({
    utterances: Int32Array.from(found, ({ utterance }) => numbers.get(utterance.path)!),
    targets: numbered(labels(found), classes),
  })
  return { config, classes, trains: trains.map(examples), test: examples(test) }
}
