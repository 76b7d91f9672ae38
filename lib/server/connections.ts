/**
 * The connections of a server, and which of them await an answer. Node's own closeIdleConnections leaves those that
 * have sent nothing yet, which clients keep in reserve, and waits for them without end.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export class Connections {
  /** Answers that each connection awaits. */
  readonly #awaited = new Map<Socket, number>()

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#awaited.set(socket, 0)
      socket.once('close', () => this.#awaited.delete(socket))
    })
    server.on('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
      this.#count(socket, 1)
      answer.once('close', () => this.#count(socket, -1))
    })
  }

  /** Closes those that await nothing. */
  closeIdle(): void {
    for (const [socket, awaited] of this.#awaited) if (awaited === 0) socket.destroy()
  }

  closeAll(): void {
    for (const socket of this.#awaited.keys()) socket.destroy()
  }

  #count(socket: Socket, change: 1 | -1): void {
    const awaited = this.#awaited.get(socket)
    if (awaited !== undefined) this.#awaited.set(socket, awaited + change)
  }
}
