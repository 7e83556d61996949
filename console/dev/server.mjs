// A FIXTURE, not Bartizan: it answers as control would, for fleets that are made up, so that pages can be built and tested without one.
// Nothing that it shows was measured anywhere.
//
//   node dev/server.mjs [--fleet empty|small|large|hostile] [--port 8444] [--open]
//
// `--open` signs everybody in. Otherwise: name `ana` (administrator), `olga` (operator), `vic` (viewer), `tess` (wants the code 123456),
// password `horse`; the link is /link#fixture-token.

import { createServer } from 'node:http'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { randomBytes } from 'node:crypto'
import { Documents } from './documents.mjs'
import { FLEETS } from './fleets.mjs'
import { Happenings } from './happenings.mjs'

/** As the contract has it, to the letter: a page that needs more than this fails here as it would there. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.md': 'text/markdown' }
const PEOPLE = { ana: 'administrator', olga: 'operator', vic: 'viewer', tess: 'viewer' }
const RANKS = ['viewer', 'operator', 'administrator']
const DIST = fileURLToPath(new URL('../dist', import.meta.url))

class Refused extends Error {
  constructor(status, message, more = {}) {
    super(message)
    Object.assign(this, { status, more })
  }
}

export class Fixture {
  constructor({ fleet = 'small', open = false, firstRun = false } = {}) {
    const made = FLEETS[fleet]()
    this.documents = new Documents(made)
    this.happenings = new Happenings(made)
    this.name = made.name
    this.open = open
    this.firstRun = firstRun
    this.sessions = new Map()
    this.links = new Set(['fixture-token'])
    this.streams = new Set()
    this.away = false
    this.posts = []
    this.failing = new Map()
    this.server = createServer((request, response) => { void this.#answer(request, response) })
    this.tick = setInterval(() => this.#live(), 500)
    this.tick.unref()
  }

  listen(port = 0) {
    return new Promise((done, refuse) => {
      this.server.once('error', refuse)
      this.server.listen(port, '127.0.0.1', () => done(`http://127.0.0.1:${this.server.address().port}`))
    })
  }

  close() {
    clearInterval(this.tick)
    this.server.closeAllConnections()
    return new Promise((done) => this.server.close(done))
  }

  /** Control is gone, or back. */
  lose(away) {
    this.away = away
    if (away) this.server.closeAllConnections()
  }

  /** Every session ends. */
  endSessions() {
    this.sessions.clear()
    for (const stream of this.streams) stream.end()
  }

  /** An answer of that path fails from now on, with a status; `null` mends it. */
  fail(path, status) {
    if (status === null) this.failing.delete(path)
    else this.failing.set(path, status)
  }

  tell(event, data, id) {
    for (const stream of this.streams) stream.write(`${id ? `id: ${id}\n` : ''}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  /** Something happens now, and is told. */
  happen() {
    const records = this.happenings.happen(Date.now())
    if (records.length > 0) this.tell('events', records, String(records.at(-1).time))
    return records
  }

  #ticks = 0

  #live() {
    if (this.away || this.streams.size === 0) return
    this.happen()
    if (this.#ticks % 4 === 0) this.tell('map', this.documents.map())
    if (this.#ticks % 10 === 0) {
      this.tell('status', this.documents.status())
      this.tell('alerts', this.documents.alerts())
    }
    this.#ticks++
  }

  async #answer(request, response) {
    if (this.away) return void request.socket.destroy()
    response.setHeader('content-security-policy', POLICY)
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('referrer-policy', 'no-referrer')
    const url = new URL(request.url, 'http://fixture')
    try {
      if (url.pathname.startsWith('/api/v1/')) return await this.#api(request, response, url, url.pathname.slice(8))
      if (url.pathname.startsWith('/sign-in/')) return await this.#signIn(request, response, url.pathname.slice(9))
      if (request.method !== 'GET') throw new Refused(404, 'no such endpoint')
      this.#file(response, url.pathname)
    } catch (error) {
      if (!(error instanceof Refused)) console.error(error)
      const status = error instanceof Refused ? error.status : 500
      if (error.more?.retry) response.setHeader('retry-after', error.more.retry)
      this.#json(response, { error: error.message, ...error.more }, status)
    }
  }

  #json(response, body, status = 200) {
    if (response.headersSent) return
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body))
  }

  #file(response, path) {
    const asset = path.startsWith('/assets/') ? normalize(join(DIST, path)) : join(DIST, 'index.html')
    if (!asset.startsWith(DIST) || !existsSync(asset) || !statSync(asset).isFile()) throw new Refused(404, 'no such file; `make console` builds them')
    response.writeHead(200, { 'content-type': TYPES[extname(asset)] ?? 'application/octet-stream', 'cache-control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache' })
    response.end(readFileSync(asset))
  }

  #session(request) {
    if (this.open) return { name: 'ana', role: 'administrator', way: 'link', until: Date.now() + 3_600_000, csrf: 'open' }
    const token = /(?:^|; )bartizan-console=([0-9a-f]+)/.exec(request.headers.cookie ?? '')?.[1]
    const found = token && this.sessions.get(token)
    if (!found) throw new Refused(401, 'nobody is signed in')
    return found
  }

  async #body(request) {
    let text = ''
    for await (const part of request) text += part
    return JSON.parse(text || '{}')
  }

  #sign(response, name, role, way) {
    const token = randomBytes(16).toString('hex')
    this.sessions.set(token, { name, role, way, until: Date.now() + 8 * 3_600_000, csrf: randomBytes(8).toString('hex') })
    response.setHeader('set-cookie', `bartizan-console=${token}; HttpOnly; SameSite=Strict; Path=/`)
    this.#json(response, {})
  }

  async #signIn(request, response, what) {
    if (what === 'state') return this.#json(response, { first_run: this.firstRun, people: !this.firstRun, fleet: this.name })
    if (request.method !== 'POST') throw new Refused(404, 'no such endpoint')
    const body = await this.#body(request)
    if (what === 'link') {
      if (!this.links.delete(body.token)) throw new Refused(401, 'this link was used, or its time is over')
      return this.#sign(response, 'ana', 'administrator', 'link')
    }
    if (what === 'password') {
      if (body.name === 'often') throw new Refused(429, 'too many tries', { retry: 30 })
      if (!(body.name in PEOPLE) || body.password !== 'horse') throw new Refused(401, 'Name or password is wrong', { wants_code: false })
      if (body.name === 'tess' && body.code !== '123456') throw new Refused(401, body.code ? 'The code is wrong' : 'A code is wanted', { wants_code: true })
      return this.#sign(response, body.name, PEOPLE[body.name], 'password')
    }
    if (what === 'out') {
      this.#csrf(request, this.#session(request))
      const token = /bartizan-console=([0-9a-f]+)/.exec(request.headers.cookie ?? '')?.[1]
      this.sessions.delete(token)
      response.setHeader('set-cookie', 'bartizan-console=; Max-Age=0; Path=/')
      return this.#json(response, {})
    }
    throw new Refused(404, 'no such endpoint')
  }

  #csrf(request, session) {
    if (request.headers['bartizan-csrf'] !== session.csrf) throw new Refused(403, 'the request did not come from the console')
  }

  async #api(request, response, url, path) {
    const session = this.#session(request)
    const query = url.searchParams
    const failing = [...this.failing].find(([it]) => path.startsWith(it))
    if (failing) throw new Refused(failing[1], failing[1] === 403 ? 'this wants the role operator' : 'the store does not answer')
    if (request.method === 'POST') {
      this.#csrf(request, session)
      return this.#post(session, response, path, await this.#body(request))
    }
    if (path === 'stream') return this.#stream(request, response)
    if (path === 'events') {
      const { page, next } = this.happenings.find(query)
      response.writeHead(200, { 'content-type': 'application/x-ndjson', ...next ? { 'bartizan-next': next } : {} })
      return void response.end(page.map((it) => `${JSON.stringify(it)}\n`).join(''))
    }
    const number = (name) => (query.has(name) ? Number(query.get(name)) : null)
    const documents = {
      me: () => session,
      map: () => this.documents.map(),
      status: () => this.documents.status(),
      indicators: () => this.documents.indicators(),
      policies: () => this.documents.policies(),
      expiry: () => this.documents.expiry(),
      egress: () => this.documents.egress(),
      ca: () => this.documents.ca(),
      'ca/issued': () => this.documents.issued(),
      alerts: () => this.documents.alerts(),
      'alerts/on-call': () => this.documents.onCall(),
      objectives: () => this.documents.objectives(),
      'objectives/advice': () => this.documents.advice(query.get('indicator') ?? 'M1', query.get('place') ?? 'fleet'),
      sessions: () => ({ sessions: [...this.sessions.values(), { name: this.documents.text('wall'), role: 'viewer', way: 'link', until: Date.now() + 9e6 }].map((it, n) => ({ session: `s${n}`, name: it.name, role: it.role, way: it.way, began: Date.now() - 9e5, seen: Date.now() - 4e3, until: it.until, address: '127.0.0.1', agent: this.documents.text('Chromium') })) }),
      denied: () => ({ entries: [] }),
      changes: () => this.documents.changes(number('since_ms'), number('until_ms'), number('limit') ?? 100),
      series: () => this.documents.series(query.get('indicator') ?? 'M1', query.get('place') ?? 'fleet', number('seconds') ?? 3600),
      reach: () => this.documents.reach(query.get('service') ?? ''),
    }
    if (path === 'sessions' && session.role !== 'administrator') throw new Refused(403, 'this wants the role administrator')
    const [what, id] = path.split('/')
    if ((what === 'trace' || what === 'explain') && id) {
      if (!/^[0-9a-f]{32}$/.test(id)) throw new Refused(400, 'request: expected 32 hex digits')
      return this.#json(response, this.happenings[what](id))
    }
    if (!Object.hasOwn(documents, path)) throw new Refused(404, 'no such endpoint')
    this.#json(response, documents[path]())
  }

  #post(session, response, path, body) {
    const least = path === 'links' || path.startsWith('sessions') ? 'administrator' : 'operator'
    if (RANKS.indexOf(session.role) < RANKS.indexOf(least)) throw new Refused(403, `this wants the role ${least}`)
    this.posts.push({ path, body })
    if (path === 'alerts/acknowledge') this.documents.acknowledged.set(body.id, session.name)
    else if (path === 'alerts/silence') {
      const now = Date.now()
      this.documents.silences.push({ id: `q${this.documents.silences.length}`, rule: body.rule, said: `silenced by ${session.name}: ${body.why}`, matchers: [{ name: 'alertname', value: body.rule }], from: now, until: now + body.for_s * 1000, by: session.name, why: body.why, pages_only: false, active: true })
    } else if (path === 'alerts/silence/end') this.documents.silences = this.documents.silences.filter((it) => it.id !== body.id)
    else if (path === 'sessions/end') return this.#json(response, { ended: 1 })
    else if (path === 'reload') return this.#json(response, { changed: ['policies'], epochs: { policies: 18 } })
    else if (path === 'links') return this.#json(response, { link: `http://127.0.0.1/link#made-for-${body.role}`, until: Date.now() + body.minutes * 60_000 })
    else throw new Refused(404, 'no such endpoint')
    this.#json(response, {})
  }

  #stream(request, response) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(`event: hello\ndata: ${JSON.stringify({ now: Date.now(), fleet: this.name })}\n\n`)
    this.streams.add(response)
    request.on('close', () => this.streams.delete(response))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const said = (name, otherwise) => {
    const at = process.argv.indexOf(`--${name}`)
    return at < 0 ? otherwise : process.argv[at + 1]
  }
  const fleet = said('fleet', 'small')
  const fixture = new Fixture({ fleet, open: process.argv.includes('--open'), firstRun: process.argv.includes('--first-run') })
  const origin = await fixture.listen(Number(said('port', 8444)))
  console.log(`a fixture with made-up data (fleet ${fleet}): ${origin}/  or  ${origin}/link#fixture-token`)
}
