// From a made-up fleet to the documents that control would answer.

import { random } from './random.mjs'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const DOMAIN = 'bank.example'
const KINDS = ['bundles', 'denylist', 'directory', 'policies']

const real = (it) => it.kind === 'service' || it.kind === 'gateway'
const id = (name) => `spiffe://${DOMAIN}/svc/${name}`

export class Documents {
  constructor(fleet) {
    this.fleet = fleet
    this.random = random(11)
    this.started = Date.now() - 3 * DAY
    this.made = Date.now()
    this.planted = fleet.texts ?? null
    this.acknowledged = new Map()
    this.silences = []
  }

  /** A text of ours, or what was planted in its place. */
  text(it) {
    return this.planted ?? it
  }

  map() {
    const now = Date.now()
    const sway = (n) => (n === 0 ? 0 : Math.max(0, n * (0.9 + 0.2 * this.random.next())))
    const edges = this.fleet.edges.map((it) => ({
      from: it.from, to: it.to, declared: it.declared,
      calls_per_s: sway(it.calls), denied_per_s: sway(it.denied), failed_per_s: sway(it.failed),
      calls: it.calls * 80_000, denied: Math.round(it.denied * 900), failed: Math.round(it.failed * 900),
      mtls: it.mtls, group: it.group ?? (it.mtls === 'strict' ? 'X25519MLKEM768' : null), suite: it.suite ?? (it.mtls === 'strict' ? 'TLS13_AES_256_GCM_SHA384' : null),
      last: it.calls > 0 ? now - 400 : null,
    }))
    const sum = (name, what) => edges.filter((it) => it.to === name).reduce((total, it) => total + it[what], 0)
    const services = this.fleet.services.map((it) => ({
      name: it.name, kind: it.kind, owner: it.owner, data: it.data, protocol: it.protocol, attached: it.kind === 'outside' ? null : it.attached ?? it.kind !== 'unguarded',
      freshness: it.freshness ?? 'fresh', instances: 1, calls_per_s: sum(it.name, 'calls_per_s'), denied_per_s: sum(it.name, 'denied_per_s'),
      failed_per_s: sum(it.name, 'failed_per_s'), added_p99_us: real(it) ? 300 + it.name.length * 17 : null,
      svid_not_after: real(it) ? now + HOUR * 0.7 : null, firing: it.firing ?? 0,
    }))
    return { now, services, edges }
  }

  status() {
    const now = Date.now()
    const guards = this.fleet.services.filter(real)
    const held = { bundles: 2, denylist: 4, directory: 9, policies: 17 }
    return {
      fleet: this.fleet.name, trust_domain: DOMAIN, mode: 'full', now,
      control: {
        started_at: this.started, version: '0.1.0', listen: '127.0.0.1:20321', svid_not_after: now + HOUR / 2, issuing_not_after: now + 6 * DAY, root_not_after: now + 3650 * DAY,
        handshakes: { attempted: 900, completed: 899, failed: { protocol: 1 } },
      },
      epochs: held,
      proxies: guards.map((it, n) => ({
        service: it.name, number: 1, id: id(it.name), owner: it.owner, data: it.data, protocol: it.protocol, attached: it.attached ?? true, version: '0.1.0',
        freshness: it.freshness ?? 'fresh', last_heard: it.attached === false ? now - 400_000 : now - 300, svid_not_after: now + HOUR * 0.7,
        held: it.attached === false ? { ...held, policies: 16 } : held, refused: n === 3 ? { directory: this.text('epoch 8: a route names a service that is not there') } : {},
        calls_per_s: 4, denied_per_s: 0, calls: 80_000, denied: 40, failed: 4, input_refused: 3, added_p50_us: 120, added_p99_us: 420,
        handshakes: { attempted: 400 + n, completed: 395, failed: { expired: n % 3 === 1 ? 4 : 0, wrong_peer: n % 2, untrusted_issuer: n % 4 === 2 ? 9 : 0 } },
        connections_open: 12, mtls: 'strict', resident_bytes: 29e6, cpu_us: 1e6, events: { offered: 900, dropped: 0, delivered: 900 },
      })),
      nodes: [{ name: 'local', attached: true, instance: '00', pid: 1, version: '0.1.0', workload_socket: null, last_heard: now - 100, held: { bundles: 2 }, refused: {}, entries: 0 }],
      store: { offered: 120_000, stored: 120_000, known: 0, lost: {}, waiting: 0, reason: null },
      events: { events: 120_000, bytes: 9e6, partitions: 3, oldest_at: this.started, bytes_max: 4294967296, keep_s: null, when_full: 'refuse', aged: 0, displaced: 0 },
      clocks: [], issuers: [], drift: this.planted ? { since: now - HOUR, what: [this.planted] } : null,
      tls: this.fleet.edges.filter((it) => it.mtls === 'strict').map((it) => ({
        from: it.from === 'outside' ? null : id(it.from), to: it.to, group: it.group ?? 'X25519MLKEM768', suite: it.suite ?? 'TLS13_AES_256_GCM_SHA384', handshakes: 40, last: now - 9_000,
      })),
      over_budget: [], egress: { programs: guards.length, forced: guards.length, told: 0, new: [] }, guard_p99_us: null, unguarded: [],
    }
  }

  indicators() {
    const services = this.fleet.services.filter(real).map((it) => it.name)
    const places = ['fleet', ...services.slice(0, 60), ...this.fleet.edges.filter((it) => it.from !== 'outside').slice(0, 60).map((it) => `${it.from} -> ${it.to}`)]
    const made = (name, title, target, { bad = 0, success = true, bad_max = null, count = false, source = true } = {}) => ({
      id: name, title: this.text(title), numerator: this.text('what is counted as bad'), denominator: count ? null : this.text('calls'), target: this.text(target), has_source: source, is_success: success,
      places: source ? places.map((place, n) => this.place(place, n === 0 ? bad * places.length : n % 5 === 1 ? bad * 4 : 0, n === 0 ? 4e6 : 90_000, { success, bad_max, count })) : [],
    })
    return {
      now: Date.now(), since: this.started, left_out: 0,
      indicators: [
        made('M1', 'service authentication success', 'at least 99.9 %', { bad: 21, bad_max: 0.001 }),
        made('M2', 'mutual TLS handshake success', 'at least 99.99 %', { bad: 41, bad_max: 0.0001 }),
        made('M3', 'calls that policy denies', 'below 0.1 %', { bad: 60, success: false, bad_max: 0.001 }),
        made('M4', 'time to detect', 'below 15 minutes', { source: false }),
        made('M5', 'vulnerable dependencies', 'below 1 %', { source: false }),
        made('M6', 'exposed secrets', 'none', { source: false }),
        made('M7', 'time to remedy', 'below 4 hours', { source: false }),
        made('M8', 'unauthorised attempts', 'fewer than the week before', { bad: 62, count: true }),
        made('M9', 'changes that fail', 'below 0.5 %', { success: false, bad_max: 0.005 }),
        made('M10', 'bills of materials', '100 %', { source: false }),
      ],
    }
  }

  place(place, bad, all, { success, bad_max, count }) {
    const windows = [[3600, 0.02], [86_400, 0.06], [604_800, 0.25], [2_592_000, 1]].map(([seconds, part]) => {
      const [b, a] = [Math.round(bad * part), count ? 0 : Math.round(all * part)]
      const share = a > 0 ? (success ? 1 - b / a : b / a) : null
      return { seconds, bad: b, all: a, share, interval: share === null ? null : [Math.max(0, share - 0.001), Math.min(1, share + 0.001)] }
    })
    const allowed = bad_max === null ? 0 : all * bad_max
    const burns = bad_max === null ? [] : [[3600, 300, 14.4, 'page'], [21_600, 1800, 6, 'page'], [86_400, 7200, 3, 'ticket'], [259_200, 21_600, 1, 'ticket']].map(([long_s, short_s, limit, urgency]) => ({
      long_s, short_s, limit, rate: bad / Math.max(1, allowed), doubt: 0.4, urgency, alight: urgency === 'ticket' && limit === 1 && bad > allowed,
    }))
    return {
      place: this.planted && place !== 'fleet' ? `${this.planted}${place.length}` : place, windows, budget: bad_max === null ? null : { bad_max, allowed, used: bad, left: 1 - bad / Math.max(1, allowed) },
      burns, trend: count ? 1.12 : null, standing: bad > allowed && bad_max !== null ? 'missed' : 'met',
    }
  }

  series(indicator, place, seconds) {
    const step_s = seconds <= 5400 ? 15 : seconds <= 108_000 ? 300 : 3600
    const now = Date.now()
    const { next } = random(indicator.length * 31 + seconds)
    const until = Math.floor(now / 1000 / step_s) * step_s
    const points = Array.from({ length: Math.min(1500, Math.floor(seconds / step_s)) }, (_, n, count = Math.min(1500, Math.floor(seconds / step_s))) => {
      const at = (until - (count - n) * step_s) * 1000
      const all = Math.round(step_s * 40 * (0.7 + 0.3 * Math.sin(at / 1.4e7)) * (0.9 + 0.2 * next()))
      // A change a third before the end made it worse for a while.
      const worse = n > count * 0.62 && n < count * 0.7 ? 9 : 1
      return { at, bad: Math.floor(all * 0.0009 * worse * next() * 2), all }
    })
    return { now, indicator, place, step_s, points }
  }

  changes(since, until, limit) {
    const now = Date.now()
    const first = this.fleet.services.find((it) => it.kind === 'service')?.name ?? null
    const made = (before, kind, what, more = {}) => ({ at: this.made - before, kind, what: this.text(what), actor: this.text('ana'), service: null, epoch: null, event: null, ...more })
    const all = this.fleet.services.length === 0 ? [] : [
      made(0.9 * HOUR, 'policy', 'policies 17 published: no-direct-transfers added', { epoch: 17 }),
      made(0.91 * HOUR, 'rollout', 'policies 17 applied by all guards but one', { epoch: 17, actor: null }),
      made(0.4 * HOUR, 'certificate', 'identity renewed', { service: first, actor: 'control' }),
      made(2.2 * HOUR, 'deploy', 'program started: version 2.4.1', { service: first, actor: 'supervisor' }),
      made(5 * HOUR, 'configuration', 'directory 9 published: a route of the gateway changed', { epoch: 9 }),
      made(26 * HOUR, 'administrator', 'ana was given the role administrator', { actor: 'uid 0' }),
      made(30 * HOUR, 'deploy', 'program started: version 2.4.0', { service: first, actor: 'supervisor' }),
      made(9 * DAY, 'policy', 'policies 16 published', { epoch: 16 }),
      made(17 * DAY, 'certificate', 'issuing authority replaced', { actor: 'control' }),
    ]
    return { now, changes: all.filter((it) => (since === null || it.at >= since) && (until === null || it.at <= until)).sort((a, b) => b.at - a.at).slice(0, limit), next_until_ms: null }
  }

  policies() {
    const declared = this.fleet.edges.filter((it) => it.from !== 'outside' && it.declared).map((it, n) => ({
      id: `fleet:calls/${it.from}->${it.to}`, file: 'fleet:calls', line: n * 4 + 3, permit: true, declared: true, enforced_by: [it.to], missing: [],
    }))
    const written = this.fleet.services.length < 2 ? [] : ['no-direct-transfers', 'edge-opens-and-reads', 'only-payment-enters', 'no-night-batches'].map((name, n) => ({
      id: this.text(name) + (this.planted ? n : ''), file: this.text('money.cedar'), line: 8 + n * 11, permit: false, declared: false, enforced_by: this.fleet.services.filter(real).slice(0, 3).map((it) => it.name), missing: n === 0 ? [this.fleet.services[1].name] : [],
      ...(n === 3 ? { shadow: true, predicted: [{ policy: this.text(name), from: this.fleet.services[1].name, to: this.fleet.services[0].name, verdict: 'deny', calls: 37 }] } : {}),
    }))
    return { epoch: 17, mode: 'full', policies: [...written, ...declared] }
  }

  reach(service) {
    const forbids = { policy: this.text('no-direct-transfers'), file: this.text('money.cedar'), line: 8, routes: [this.text('transfers')] }
    const those = (mine, other) => this.fleet.edges.filter((it) => it[mine] === service && it.from !== 'outside' && it.declared).map((it, n) => ({
      peer: it[other], policies: [{ policy: this.text(`fleet:calls/${it.from}->${it.to}`), file: this.text('fleet:calls'), line: n * 4 + 3, routes: [] }], forbidding: it.to === 'accounts' || this.planted ? [forbids] : [],
    }))
    return { service, in: those('to', 'from'), out: those('from', 'to') }
  }

  expiry() {
    const now = Date.now()
    const guards = this.fleet.services.filter(real).map((it, n) => ({ what: 'guard', name: it.name, since: now - HOUR * 0.3, due: now + HOUR * 0.2, at: now + (it.attached === false ? 600_000 : HOUR * 0.7 + n * 1000), renewed_by: this.text('its guard, at half life'), in_danger: it.attached === false, breaks: this.text('it is not believed by anybody') }))
    return {
      now, items: [
        { what: 'control', name: 'control', since: now - HOUR / 2, due: now + 1000, at: now + HOUR / 2, renewed_by: 'control, at half life', in_danger: false, breaks: 'guards and nodes do not reach control; they go on with what they hold' },
        { what: 'issuing', name: 'issuing CA', since: now - DAY, due: now + 2.5 * DAY, at: now + 6 * DAY, renewed_by: 'control, at half life', in_danger: false, breaks: 'no identity is issued' },
        { what: 'root', name: 'root', since: now, due: now + 3285 * DAY, at: now + 3650 * DAY, renewed_by: 'bartizan ca rotate', in_danger: false, breaks: 'nobody believes anybody' },
        ...guards,
      ],
    }
  }

  issued() {
    const { hex } = random(3)
    const now = Date.now()
    return { issued: this.fleet.services.filter(real).map((it, n) => ({ at: now - n * 40_000, kind: 'sidecar', id: id(it.name), serial: hex(32), key: hex(64), node: 'local', not_after: now + HOUR * 0.7, issuer: hex(64) })), waiting: 0, database: null }
  }

  objectives() {
    const now = Date.now()
    const first = this.fleet.services.find((it) => it.kind === 'service')
    const made = (indicator, target, more) => ({ indicator, place: first?.name, bad_max: 0.0005, window_s: 604_800, when_nothing: 'unknown', owner: this.text('core-banking'), why: this.text('contract with the regulator'), expires: now + 90 * DAY, line: 3, target: this.text(target), counts: true, ...more })
    const lock = { indicator: 'M3', place: first?.name, cause: 'burning', value: 7.4, since: now - 60_000, version: now - 90_000, text: this.text('the error budget of M3 burns 7.4 times as fast as it may (over 5 minutes)') }
    const promotion = first ? { locked: false, locks: [lock], overridden: { by: this.text('ana'), why: this.text('mends what burns'), from: now, until: now + HOUR }, versions: [now - 90_000, now - DAY] } : null
    return { now, promotion, file: first ? this.text('slo.yaml') : null, objectives: first ? [made('M1', 'at least 99.95 %', { locks_promotion: true }), made('M3', 'below 0.5 %', { expires: now - DAY, counts: false })] : [] }
  }

  advice(indicator, place) {
    const made = (target, pages, tickets, left, in_force = false) => ({ target: this.text(target), bad_max: 0.001, in_force, pages, tickets, left })
    return { now: Date.now(), since: this.started, of: [{ indicator, place, bad: 4, all: 90_000, candidates: [made('at least 99.99 %', 7, 12, -0.4), made('at least 99.9 %', 0, 2, 0.86, true), made('at least 99 %', 0, 0, 0.99)] }] }
  }

  ca() {
    const { hex } = random(5)
    const now = Date.now()
    return { now, roots: [{ sha256: hex(64), not_before: this.started, not_after: now + 3650 * DAY }], issuing: { sha256: hex(64), not_before: this.started, not_after: now + 6 * DAY }, root_key: 'here', rotation: null }
  }

  egress() {
    const now = Date.now()
    const names = this.fleet.services.filter((it) => it.kind === 'service').map((it) => it.name)
    const made = (n, host, more) => ({
      service: names[n % names.length], host: this.text(host), addresses: ['192.0.2.7'], port: 443, protocol: 'https', first_seen: now - 50_000 * (n + 1), last_seen: now - 4_000, used: true, passed: 31,
      failed: 0, refused: 0, refusal: null, learned: false, bytes_up: 81_000, bytes_down: 2_400_000, ...more,
    })
    return {
      now, services: names.map((service) => ({ service, path: 'forced', rules: null })),
      destinations: names.length === 0 ? [] : [
        made(0, 'paste.example.net', { used: false, passed: 0, refused: 6, refusal: this.text('not_listed'), bytes_up: 0, bytes_down: 0 }), made(1, 'api.rates.example'), made(2, 'smtp.example.com', { port: 587, protocol: 'tcp' }), made(3, 'telemetry.vendor.example', { learned: true }),
      ],
    }
  }

  alerts() {
    const now = Date.now()
    const first = this.fleet.services.find((it) => it.kind === 'service')
    const second = this.fleet.services.filter((it) => it.kind === 'service')[1] ?? first
    const made = (name, title, more) => ({
      id: name, rule: this.text(name), title: this.text(title), severity: 'medium', urgency: 'ticket', service: null, place: 'fleet', labels: this.planted ? { [this.planted]: this.planted } : {}, ended: null, note: null, after_change: null, level: 1, owner: this.text('platform'), runbook: 'docs/manual/runbooks.md#bartizanbudgetburns', since: now - HOUR * 0.8, last: now - 9_000, count: 1,
      state: 'firing', summary: this.text(''), value: 0, threshold: 0, changes: [], group: null, acknowledged_by: this.acknowledged.get(name) ?? null, silenced_by: this.silences.find((it) => it.rule === name)?.said ?? null, ...more,
    })
    return {
      now,
      alerts: !first ? [] : [
        made('budget-burns-m3', 'Denied calls use up the error budget', {
          severity: 'critical', urgency: 'page', service: first.name, owner: first.owner, summary: this.text('14.9 times as fast as it may, over one hour and five minutes'), value: 14.9, threshold: 14.4, group: 'M3', count: 3, called: [{ escalation: this.text('security'), level: 1, rotation: this.text('security'), who: this.text('ana'), routes: [this.text('ana')], at: now - HOUR * 0.8 }],
          changes: this.changes(null, null, 2).changes, after_change: this.changes(null, null, 1).changes[0],
        }),
        made('guard-away', 'A guard is not heard', { severity: 'high', urgency: 'page', service: second.name, owner: second.owner, runbook: 'runbooks.md#bartizanguardaway', since: now - 400_000, summary: this.text('no stream to control for six minutes') }),
        made('egress-refused', 'A service tries to reach what it may not', { service: first.name, runbook: 'https://runbooks.example/egress', summary: this.text('6 attempts at paste.example.net') }),
        made('clock', 'A clock is away', { severity: 'low', state: 'resolved', since: now - 5 * HOUR, last: now - 4 * HOUR, runbook: this.planted ? 'javascript:window.planted=1' : 'runbooks.md#bartizancertificatenotrenewed' }),
      ],
      muted: !first ? [] : [{ id: 'a9', rule: this.text('HandshakesFail'), service: second.name, reason: this.text('its callee is away: that is told already') }],
      windows: !first ? [] : [
        { id: 'fleet-file-1', matchers: [{ name: 'service', value: this.text('legacy-mail'), is_regex: false, is_equal: true }], from: now - HOUR, until: now + 2 * HOUR, by: this.text('the fleet file'), why: this.text('move of the data centre'), pages_only: true, active: true },
        ...this.silences,
      ],
      rules: [['BudgetBurns', 'critical', 'page'], ['GuardAway', 'high', 'page'], ['EgressRefused', 'medium', 'ticket']].map(([name, severity, urgency]) => ({
        name: this.text(name) + (this.planted ? severity : ''), summary: this.text('{service}: {value}, which is above {threshold}'), severity, urgency, owner: this.text('platform'), runbook: `runbooks.md#bartizan${name.toLowerCase()}`, place: this.text('built in'), services: [],
      })),
      routes: !first ? [] : [{ name: this.text('pager'), sent: 41, failed: 2, waiting: 0, why: this.text('answered with 503') }],
      left_out: 0,
    }
  }

  onCall() {
    const now = Date.now()
    const [security, ana, ben] = ['security', 'ana', 'ben'].map((it) => this.text(it))
    const shift = (who, from, is_override) => ({ who, routes: [who], from, until: from + DAY, is_override })
    if (this.fleet.services.length === 0) return { at: now, rotations: [], escalations: [] }
    return {
      at: now,
      rotations: [{ name: security, shifts: [shift(ana, now - HOUR, false), shift(ben, now + 23 * HOUR, true)] }],
      escalations: [{ name: security, takes: this.text('owner security, severity critical or high'), levels: [
        { level: 1, rotation: security, who: ana, routes: [ana], after_s: 0 },
        { level: 2, rotation: null, who: null, routes: [this.text('chief')], after_s: 300 },
      ] }],
    }
  }
}
