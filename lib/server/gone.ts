/**
 * When nobody awaits an answer any more: it has been sent, or its client has left. Node tells that of the answer whose turn it
 * is; of one that waits behind it on the same connection (pipelining), the connection alone tells.
 */
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'

/** What hears of the end of a connection: one listener each, however many requests come through it. */
const waiting = new WeakMap<Socket, Set<() => void>>()

/** Calls `then` once: when the answer or its connection has closed, and at once where either has. */
export function whenGone({ raw, request: { raw: asked } }: FastifyReply, then: () => void): void {
  const { socket } = asked
  if (raw.destroyed || socket.destroyed) {
    then()
    return
  }
  const ends = endsOf(socket)
  const gone = () => {
    if (ends.delete(gone)) then()
  }
  ends.add(gone)
  raw.once('close', gone)
}

function endsOf(socket: Socket): Set<() => void> {
  const known = waiting.get(socket)
  if (known) return known
  const ends = new Set<() => void>()
  waiting.set(socket, ends)
  socket.once('close', () => {
    for (const end of ends) end()
  })
  return ends
}
