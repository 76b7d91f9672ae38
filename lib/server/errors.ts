/** What a client is told when its request fails: status and body as in OpenAI's API. */
import { type TongueforgeError, toTongueforgeError } from '../errors'

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null }
}

interface Told {
  status: number
  code: string | null
  param?: string | undefined
}

/** A request that is answered by an error of its own making. */
export class RequestError extends Error {
  readonly status: number
  readonly code: string | null
  readonly param: string | null

  constructor(message: string, { status, code, param }: Told) {
    super(message)
    this.status = status
    this.code = code
    this.param = param ?? null
  }
}

/** The client has left: nobody hears of this. */
export class ClientGone extends RequestError {
  constructor() {
    super('The client has left', { status: 499, code: 'client_closed_request' })
  }
}

/** The server closes: another one may answer. */
export const shuttingDown = () =>
  new RequestError('The server is shutting down', { status: 503, code: 'shutting_down' })

/** Failures of the library that a request can cause; every other one is the server's. */
const CODES: Record<string, Told> = {
  ERR_QUEUE_FULL: { status: 503, code: 'queue_full' },
  ERR_DISPOSED: { status: 503, code: 'shutting_down' },
  ERR_CONTEXT: { status: 400, code: 'context_length_exceeded' },
  ERR_CONFIG: { status: 400, code: 'invalid_value' },
  ERR_USAGE: { status: 400, code: 'invalid_value' },
  ERR_DATA: { status: 400, code: 'invalid_value' },
  ERR_TEMPLATE: { status: 400, code: 'invalid_messages', param: 'messages' },
}

/** What errors call the body that a schema checks. */
const REQUEST = 'request'

const MOST_CHARACTERS = 500

/** Status and body of whatever a route threw. `prompt`: the field that holds what the model was to read. */
export function toRequestError(thrown: unknown, prompt?: string): RequestError {
  if (thrown instanceof RequestError) return thrown
  const http = thrown as { statusCode?: unknown; message?: unknown }
  if (typeof http?.statusCode === 'number' && http.statusCode < 500) return ofServer(http.statusCode, thrown)
  const error = toTongueforgeError(thrown)
  const told = CODES[error.code]
  if (!told || isOfDisk(error))
    return new RequestError('The server failed', { status: 500, code: error.code })
  const { key } = error.details
  const field = typeof key === 'string' ? fieldName(key) : undefined
  const message = field ? wording(error).replace(key as string, field) : wording(error)
  return new RequestError(message, { ...told, param: field ?? told.param ?? prompt })
}

/** Names a file or folder: those are the server's, and no client is to blame for them, or to hear of them. */
const isOfDisk = ({ details: { path, file } }: TongueforgeError) =>
  path !== undefined || (file !== undefined && file !== REQUEST)

/** What Fastify itself refuses: bodies too large, malformed, or of another kind. */
function ofServer(status: number, thrown: unknown): RequestError {
  const { message, code } = thrown as { message: string; code?: string }
  const codes: Record<string, string> = { FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large' }
  return new RequestError(message, { status, code: codes[code ?? ''] ?? 'invalid_request' })
}

/** Message and hint in one; values that were received may be long. */
function wording({ code, message, hint, details }: TongueforgeError): string {
  const said = code === 'ERR_TEMPLATE' && typeof details.reason === 'string' ? details.reason : message
  const text = said.replace(/^request: /, '')
  const short = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}...` : text
  return code === 'ERR_CONFIG' && hint ? `${short}. ${hint}` : short
}

/** messages.0.content as OpenAI writes it: messages[0].content; nothing for the body as a whole. */
function fieldName(key: string): string | undefined {
  return key.startsWith('(') ? undefined : key.replace(/\.(\d+)(?=\.|$)/g, '[$1]')
}

/** The body of an answer. */
export function errorBody({ status, message, param, code }: RequestError): ErrorBody {
  return { error: { message, type: typeOf(status), param, code } }
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}
