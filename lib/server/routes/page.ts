/** GET /: a page to talk with the models, its script and its style. It fetches nothing from elsewhere. */
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { readFile } from '../../files'
import { DOCUMENT_STYLE } from '../../report/document_style'
import { PAGE } from '../page/html'
import { PAGE_STYLE } from '../page/style'

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
}

export async function pageRoutes(app: FastifyInstance): Promise<void> {
  const script = await readFile(join(__dirname, '../page/client.js'), 'utf8')
  const files: Record<string, [string, string]> = {
    '/': ['text/html', PAGE],
    '/page.css': ['text/css', `${DOCUMENT_STYLE}\n${PAGE_STYLE}`],
    // Compiled as a module of Node, which has an object of that name.
    '/page.js': [
      'text/javascript',
      `const exports = {}\n${script.replace(/^\/\/# sourceMappingURL.*$/m, '')}`,
    ],
  }
  for (const [path, [type, content]] of Object.entries(files))
    app.get(path, (_request, reply) => {
      reply.headers(HEADERS).type(`${type}; charset=utf-8`).send(content)
    })
}
