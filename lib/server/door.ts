/** Lets requests in until the server closes, and knows when those that came in have gone. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { shuttingDown } from './errors'
import { whenGone } from './gone'

export class Door {
  #inside = 0
  #shut = false
  #emptied: () => void = () => {}

  /** Stands before all routes of `scope`, and is shut when `app` begins to close. */
  constructor(app: FastifyInstance, scope: FastifyInstance) {
    app.addHook('preClose', async () => {
      this.#shut = true
    })
    scope.addHook('onRequest', (_request, reply) => this.#enter(reply))
  }

  get inside(): number {
    return this.#inside
  }

  /** Resolves when nobody is inside. */
  async emptied(): Promise<void> {
    if (this.#inside === 0) return
    await new Promise<void>((done) => {
      this.#emptied = done
    })
  }

  async #enter(reply: FastifyReply): Promise<void> {
    if (this.#shut) throw shuttingDown()
    this.#inside++
    whenGone(reply, () => {
      if (--this.#inside === 0) this.#emptied()
    })
  }
}
