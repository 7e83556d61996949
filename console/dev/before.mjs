// Serves the pages that were just built before a control that runs: its API, our pages. For whoever changes pages and does not want to
// build control anew each time.
//
//   node dev/before.mjs --to http://127.0.0.1:8444 [--port 8445]
//
// Open links of `bartizan console link` at the port of this one.

import { createServer, request as ask } from 'node:http'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const DIST = fileURLToPath(new URL('../dist', import.meta.url))
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' }
const said = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : process.argv[at + 1]
}
const to = new URL(said('to', 'http://127.0.0.1:8444'))

/** As control would have it from a browser that is at its own address. */
function pass(request, response) {
  const headers = { ...request.headers, host: to.host, ...request.headers.origin ? { origin: to.origin } : {} }
  const onwards = ask({ host: to.hostname, port: to.port, path: request.url, method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
    answer.on('close', () => { if (!answer.complete) response.destroy() })
  })
  onwards.on('error', () => response.destroy())
  response.on('close', () => onwards.destroy())
  request.pipe(onwards)
}

function page(path, response) {
  const file = path.startsWith('/assets/') ? normalize(join(DIST, path)) : join(DIST, 'index.html')
  if (!file.startsWith(DIST) || !existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end()
  const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': policy }).end(readFileSync(file))
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://here')
  if (pathname.startsWith('/api/') || pathname.startsWith('/sign-in/')) pass(request, response)
  else page(pathname, response)
})
server.listen(Number(said('port', 8445)), '127.0.0.1', () => console.log(`the pages of ${DIST} before ${to.origin}: http://127.0.0.1:${server.address().port}/`))
