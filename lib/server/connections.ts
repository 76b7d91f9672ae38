/**
 * The connections of a server, and which of them await an answer. Node's own closeIdleConnections leaves those that
 * have sent nothing yet, which clients keep in reserve, and waits for them without end.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export class Connections {
  /** Answers that each connection awaits. */
  readonly #awaited = new Map<Socket, Set<ServerResponse>>()

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#awaited.set(socket, new Set())
      socket.once('close', () => this.#awaited.delete(socket))
    })
    server.on('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
      this.#awaited.get(socket)?.add(answer)
      answer.once('close', () => this.#awaited.get(socket)?.delete(answer))
    })
  }

  /** Closes those that await nothing. */
  closeIdle(): void {
    for (const [socket, awaited] of this.#awaited) if (awaited.size === 0) socket.destroy()
  }

  closeAll(): void {
    for (const socket of this.#awaited.keys()) socket.destroy()
  }

  /** Whether what is written now would be read as the answer to what arrives now, and to no request before it. */
  isFree(socket: Socket): boolean {
    const awaited = [...(this.#awaited.get(socket) ?? [])]
    return awaited.every(({ req, headersSent }) => !req.complete && !headersSent)
  }
}
