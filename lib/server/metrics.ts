/** What Prometheus is told: requests, tokens, queues, caches, and how the process fares. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import type { EngineStats } from '../native'
import { whenGone } from './gone'
import type { ServedModels } from './models'

// Loaded by the first server.
const prometheus = (): typeof import('prom-client') => require('prom-client')

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

/** Figures of the process: one set, whatever the number of servers in it. */
let ofProcess: Registry | undefined

function processRegistry(): Registry {
  if (ofProcess) return ofProcess
  const { Registry, collectDefaultMetrics } = prometheus()
  ofProcess = new Registry()
  collectDefaultMetrics({ register: ofProcess })
  return ofProcess
}

type Reader = (stats: EngineStats) => number

/** Of each model that writes text, by the name of the figure. */
const GAUGES: Record<string, [string, Reader]> = {
  requests_running: ['Requests that run', ({ running }) => running],
  requests_waiting: ['Requests that wait for a place', ({ waiting }) => waiting],
  cache_pages: ['Pages of the cache', ({ pages }) => pages],
  cache_pages_in_use: ['Pages that requests use', ({ pages_in_use }) => pages_in_use],
  cache_pages_kept: ['Pages that later prompts may find', ({ pages_kept }) => pages_kept],
}

const COUNTERS: Record<string, [string, Reader]> = {
  prompt_tokens_total: ['Tokens of prompts', ({ prompt_tokens }) => prompt_tokens],
  cached_tokens_total: ['Tokens of prompts that were found computed', ({ cached_tokens }) => cached_tokens],
  new_tokens_total: ['Tokens of answers', ({ new_tokens }) => new_tokens],
  generations_total: ['Answers that have ended', ({ ended }) => ended],
  generations_refused_total: ['Answers that were refused, as the queue was full', ({ refused }) => refused],
  steps_total: ['Steps of the engine', ({ steps }) => steps],
  busy_seconds_total: ['Time spent in steps', ({ busy_seconds }) => busy_seconds],
}

export class Metrics {
  readonly #registry: Registry
  readonly #firstToken
  readonly #requests
  readonly #durations

  constructor(models: ServedModels) {
    const { Registry, Counter, Gauge, Histogram } = prometheus()
    const registers = [new Registry()]
    this.#registry = registers[0]!
    const named = (name: string, help: string, labelNames: string[]) => ({
      ...{ name: `tongueforge_${name}`, help, labelNames, registers },
    })
    for (const [name, [help, read]] of Object.entries(GAUGES))
      new Gauge({
        ...named(name, help, ['model']),
        collect() {
          for (const [model, { stats }] of running(models)) this.set({ model }, read(stats))
        },
      })
    for (const [name, [help, read]] of Object.entries(COUNTERS))
      new Counter({
        ...named(name, help, ['model']),
        collect() {
          this.reset()
          for (const [model, { stats }] of running(models)) this.inc({ model }, read(stats))
        },
      })
    this.#requests = new Counter(
      named('http_requests_total', 'Requests that were answered; 499: left before', ['route', 'status']),
    )
    this.#durations = new Histogram({
      ...named('http_request_seconds', 'From the first byte of a request to the last of its answer', [
        'route',
      ]),
      buckets: SECONDS,
    })
    this.#firstToken = new Histogram({
      ...named('first_token_seconds', 'From a request to the first token of its answer', ['model']),
      buckets: SECONDS,
    })
  }

  /** A hook before all routes. */
  readonly watch = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const begun = performance.now()
    const route = request.routeOptions.url ?? 'none'
    whenGone(reply, () => {
      const status = reply.raw.writableFinished ? reply.statusCode : 499
      this.#requests.inc({ route, status })
      this.#durations.observe({ route }, (performance.now() - begun) / 1000)
    })
  }

  firstToken(model: string, seconds: number): void {
    this.#firstToken.observe({ model }, seconds)
  }

  /** In Prometheus' text format. */
  async text(): Promise<{ type: string; body: string }> {
    const all = prometheus().Registry.merge([this.#registry, processRegistry()])
    return { type: all.contentType, body: await all.metrics() }
  }
}

const running = (models: ServedModels) =>
  models.decoders().map(([id, model]) => [id, { stats: model.stats() }] as const)
