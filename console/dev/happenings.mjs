// Made-up events as OCSF records, and the requests that they belong to.

import { random } from './random.mjs'

const DOMAIN = 'bank.example'
const id = (name) => `spiffe://${DOMAIN}/svc/${name}`

export class Happenings {
  constructor(fleet) {
    this.fleet = fleet
    this.random = random(23)
    this.planted = fleet.texts ?? null
    this.number = 0
    /** Oldest first. */
    this.kept = []
    const edges = fleet.edges.filter((it) => it.from !== 'outside')
    for (let n = 0; n < (edges.length === 0 ? 0 : 420); n++) this.happen(Date.now() - (420 - n) * 9_000)
  }

  text(it) {
    return this.planted ?? it
  }

  record(at, kind, more, ours) {
    const failed = ours.denial || more.failed
    delete more.failed
    const owner = this.fleet.services.find((it) => it.name === ours.service)
    const record = {
      category_uid: 4, class_uid: 4002, class_name: 'HTTP Activity', activity_id: 1, activity_name: 'Get', type_uid: 400201, severity_id: failed ? 3 : 1, severity: failed ? 'Medium' : 'Informational',
      status_id: failed ? 2 : 1, status: failed ? 'Failure' : 'Success', time: at, ...more,
      metadata: { version: '1.6.0', product: { name: 'Bartizan', vendor_name: 'Bartizan', version: '0.1.0' }, uid: `f1${(++this.number).toString(16).padStart(30, '0')}`, tenant_uid: DOMAIN, log_name: 'bartizan' },
      unmapped: { bartizan: { kind, fleet: this.fleet.name, owner: owner?.owner ?? null, data: owner?.data ?? [], version: owner ? '1.4.2' : null, image: owner ? `registry.bank.example/${owner.name}:1.4` : null, denial: false, peer: null, to: null, decision: null, reason: null, epoch: null, policies: [], request: null, seen_by: 'inbound', ...ours } },
    }
    this.kept.push(record)
    if (this.kept.length > 5_000) this.kept.shift()
    return record
  }

  /** One thing more: mostly a request with its hops, now and then a handshake or a renewed identity. Its records, oldest first. */
  happen(at) {
    const { below, hex, next } = this.random
    const edges = this.fleet.edges.filter((it) => it.from !== 'outside')
    if (edges.length === 0) return []
    const edge = edges[below(edges.length)]
    const chance = next()
    if (chance < 0.06) return [this.handshake(at, edge)]
    if (chance < 0.1) {
      return [this.record(at, 'identity', { class_name: 'Authentication', activity_name: 'Authentication Ticket', message: `identity of ${edge.to}: renewed` }, { service: edge.to, seen_by: 'control', peer: id(edge.to) })]
    }
    return this.request(at, hex(32), edges, edge)
  }

  handshake(at, { from, to }) {
    return this.record(at, 'handshake', {
      class_name: 'Network Activity', activity_name: 'Open', tls: { version: '1.3', cipher: 'TLS13_AES_256_GCM_SHA384' }, src_endpoint: { uid: id(from), svc_name: from }, dst_endpoint: { svc_name: to, uid: id(to) },
      message: this.text(`TLS handshake with ${from}: expired`), status_code: 'expired', status_detail: this.text('the certificate has run out'),
    }, { service: to, peer: id(from), denial: true, reason: this.text('the certificate has run out') })
  }

  /** The way from the gateway, over one or two services. */
  request(at, request, edges, last) {
    const { below, hex, next } = this.random
    const first = edges.find((it) => it.from === 'gateway' && it.to === last.from)
    const way = last.from === 'gateway' || !first ? [last] : [first, last]
    const denied = next() < 0.12 || last.denied > 0 && next() < 0.2
    const failed = !denied && next() < 0.05
    const [method, path] = [['GET', '/accounts/17/balance'], ['POST', '/payments'], ['GET', '/users/me'], ['POST', '/accounts/transfers']][below(4)]
    const records = []
    let parent
    way.forEach(({ from, to }, n) => {
      const isLast = n === way.length - 1
      const took_us = (way.length - n) * 2_400 + below(2_000)
      const span = hex(16)
      const isDenied = denied && isLast
      const code = denied ? 403 : failed ? 502 : 200
      const policies = isDenied ? [this.text('no-direct-transfers')] : [this.text(`fleet:calls/${from}->${to}`)]
      const reason = isDenied ? this.text('transfers go through payment') : null
      records.push(this.record(at - (way.length - n) * 2, 'request', {
        http_request: { http_method: this.text(method), url: { path: this.text(path) }, uid: request }, http_response: { code, latency: Math.round(took_us / 1000) },
        trace: { uid: request, span: { uid: span, ...parent ? { parent_uid: parent } : {} } }, src_endpoint: { uid: id(from), svc_name: from }, dst_endpoint: { svc_name: to, uid: id(to) },
        message: this.text(`${from} ${method} ${path} of ${to}: ${isDenied ? 'denied' : 'answered'} with ${code}`), ...isDenied ? { status_code: 'denied', status_detail: reason } : {}, failed: failed && isLast,
      }, { service: to, peer: id(from), to, decision: isDenied ? 'deny' : 'allow', policies, epoch: 17, reason, action: method === 'GET' ? 'read' : 'write', request, took_us, added_us: 180 + below(300), denial: isDenied, seen_by: 'inbound' }))
      parent = span
    })
    return records
  }

  trace(request) {
    const those = this.kept.filter((it) => it.unmapped.bartizan.request === request)
    return {
      request, steps: those.map((event, depth) => ({
        depth, at: event.time + (those.length - depth) * 2, service: event.unmapped.bartizan.service, seen_by: event.unmapped.bartizan.seen_by, took_us: event.unmapped.bartizan.took_us, added_us: event.unmapped.bartizan.added_us, event,
      })),
    }
  }

  explain(request) {
    const those = this.kept.filter((it) => it.unmapped.bartizan.request === request)
    return {
      request, hops: those.map((it) => {
        const ours = it.unmapped.bartizan
        return {
          at: it.time, service: ours.service, seen_by: ours.seen_by, from: ours.peer, to: ours.to, action: ours.action, method: it.http_request.http_method, path: it.http_request.url.path, route: null, status: it.http_response.code, error: ours.denial ? 'denied' : null,
          decision: {
            verdict: ours.decision, reason: ours.reason, policies: ours.policies, epoch: 17, epoch_is_current: true, principal: null, resource: null,
            lines: [this.text(`${ours.denial ? 'denied' : 'allowed'} at policy epoch 17`), this.text(`forbid \`no-direct-transfers\` at money.cedar:8:1`), '    @id("no-direct-transfers")', '    forbid (principal, action, resource == Route::"accounts/transfers")', '    unless { principal == Workload::"payment" };'],
          },
          took_us: ours.took_us, added_us: ours.added_us,
        }
      }),
    }
  }

  /** As `GET events` does: the newest that fit, in the order in which they happened, and the cursor of the page before them. */
  find(query) {
    const asked = (name) => query.get(name) ?? ''
    const words = (name) => asked(name).split(',').filter(Boolean)
    const upshot = (it) => (it.unmapped.bartizan.denial ? 'denied' : it.status === 'Failure' ? 'failed' : 'ok')
    const limit = Math.min(1_000, Number(query.get('limit') ?? 100))
    const before = query.has('cursor') ? Number(query.get('cursor')) : Infinity
    const those = this.kept.filter((it) => {
      const ours = it.unmapped.bartizan
      const number = Number.parseInt(it.metadata.uid.slice(2), 16)
      return number < before && (!asked('service') || ours.service === asked('service')) && (!asked('request') || ours.request === asked('request'))
        && (!asked('version') || ours.version === asked('version')) && (!asked('image') || ours.image === asked('image') || ours.image?.startsWith(`${asked('image')}:`))
        && (!asked('identity') || ours.peer === asked('identity') || ours.peer === id(asked('identity'))) && (words('outcome').length === 0 || words('outcome').includes(upshot(it)))
        && (words('class').length === 0 || words('class').includes(ours.kind)) && (!asked('text') || JSON.stringify(it).toLowerCase().includes(asked('text').toLowerCase()))
        && (!query.has('since_ms') || it.time >= Number(query.get('since_ms'))) && (!query.has('until_ms') || it.time <= Number(query.get('until_ms')))
    }).reverse()
    const page = those.slice(0, limit)
    const next = those.length > limit ? String(Number.parseInt(page.at(-1).metadata.uid.slice(2), 16)) : null
    return { page: page.reverse(), next }
  }
}
