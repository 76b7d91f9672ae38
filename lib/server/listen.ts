/** Where a server listens. */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { TongueforgeError } from '../errors'

/** Resolves with the URL. Throws ERR_IO. */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  const [first, ...others] = await addressesOf(host)
  const entrances = others.map(() => entranceTo(app))
  app.addHook('onClose', async () => {
    await Promise.all(entrances.map(closed))
  })
  try {
    const url = await app.listen({ host: first, port })
    const found = (app.server.address() as AddressInfo).port // of port 0
    await Promise.all(entrances.map((entrance, i) => open(entrance, others[i]!, found)))
    return url
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code?.startsWith('ERR_')) throw cause
    throw new TongueforgeError('ERR_IO', `${host}:${port}: cannot listen there: ${message}`, {
      hint: code === 'EADDRINUSE' ? 'Another process does: choose another port, or 0 for any.' : undefined,
      details: { host, port },
      cause,
    })
  }
}

/** `localhost` may be two, of IPv4 and of IPv6: Fastify would listen at the second with a server that we do not know. */
async function addressesOf(host: string): Promise<[string, ...string[]]> {
  if (host.toLowerCase() !== 'localhost') return [host]
  const found = await lookup(host, { all: true }).catch(() => [])
  const [first = host, ...others] = new Set(found.map(({ address }) => address))
  return [first, ...others]
}

/** Gives its connections to the server of `app`. */
const entranceTo = ({ server }: FastifyInstance): Server =>
  createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => server.emit('connection', socket))

/** An address that this machine does not have is left out. */
async function open(entrance: Server, host: string, port: number): Promise<void> {
  await once(entrance.listen({ host, port }), 'listening').catch(() => {})
}

const closed = (entrance: Server) => new Promise<void>((done) => entrance.close(() => done()))
