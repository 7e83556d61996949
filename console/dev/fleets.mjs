// Made-up fleets: none, a bank of six, 200 services, and one whose every text is HTML and script. Nothing here was ever measured.

import { random } from './random.mjs'

/** What somebody would plant where it is shown to others. */
export const PLANTED = '<img src=x onerror="window.planted=1"><script>window.planted=1</script>'

const edge = (from, to, calls, more = {}) => ({ from, to, declared: true, calls, denied: 0, failed: 0, mtls: 'strict', ...more })
const service = (name, owner, data, more = {}) => ({ name, kind: 'service', owner, data, protocol: 'http', ...more })

function bank() {
  return {
    name: 'bank',
    services: [
      { name: 'outside', kind: 'outside', owner: null, data: [], protocol: null },
      { name: 'gateway', kind: 'gateway', owner: null, data: [], protocol: null },
      service('accounts', 'core-banking', ['pii', 'financial']),
      service('notifications', 'customer-care', ['financial'], { attached: false, freshness: 'stale' }),
      service('payment', 'payments', ['financial'], { firing: 1 }),
      service('transactions', 'core-banking', ['financial']),
      service('users', 'customer-care', ['pii']),
      { name: 'legacy-mail', kind: 'unguarded', owner: 'customer-care', data: ['pii'], protocol: 'tcp' },
    ],
    edges: [
      edge('outside', 'gateway', 48),
      edge('gateway', 'payment', 21),
      edge('gateway', 'accounts', 14, { denied: 1.4 }),
      edge('gateway', 'users', 9),
      edge('gateway', 'transactions', 4, { failed: 0.3 }),
      edge('payment', 'accounts', 21),
      edge('payment', 'transactions', 20),
      edge('accounts', 'users', 6),
      edge('transactions', 'notifications', 20, { failed: 0.8 }),
      edge('notifications', 'legacy-mail', 2, { mtls: 'plain' }),
      edge('users', 'legacy-mail', 0, { mtls: 'unseen' }),
    ],
  }
}

function large(count) {
  const { below, one, next } = random(7)
  const teams = ['core', 'payments', 'risk', 'care', 'data', 'growth', 'platform', 'search']
  const words = ['ledger', 'quote', 'profile', 'risk', 'mail', 'search', 'cart', 'stock', 'price', 'limit', 'audit', 'feed', 'token', 'report', 'rate', 'file', 'score', 'batch', 'alert', 'index']
  const services = [{ name: 'outside', kind: 'outside', owner: null, data: [], protocol: null }, { name: 'gateway', kind: 'gateway', owner: null, data: [], protocol: null }]
  for (let n = 0; n < count; n++) {
    const team = teams[n % teams.length]
    services.push(service(`${team}-${words[Math.floor(n / teams.length) % words.length]}${n >= 160 ? '-2' : ''}`, team, n % 5 === 0 ? ['pii'] : [], {
      ...n % 61 === 60 ? { attached: false, freshness: 'degraded' } : {}, ...n % 83 === 40 ? { firing: 2 } : {},
    }))
  }
  const edges = [edge('outside', 'gateway', 900)]
  for (let n = 2; n < services.length; n++) {
    const name = services[n].name
    // A few of the first are reached from the gateway; the others by one to three of those before them.
    if (n < 22) edges.push(edge('gateway', name, 10 + below(80), n === 9 ? { denied: 4 } : {}))
    else {
      const callers = new Set(Array.from({ length: 1 + below(3) }, () => 2 + Math.floor(next() ** 1.6 * (n - 2))))
      for (const at of callers) {
        edges.push(edge(services[at].name, name, below(60), n % 47 === 0 ? { mtls: 'plain' } : n % 29 === 0 ? { calls: 0, mtls: 'unseen' } : n % 37 === 0 ? { denied: 1 + next() } : n % 41 === 0 ? { failed: 0.5 } : {}))
      }
    }
  }
  edges.push(edge(one(services.slice(100)).name, services[5].name, 3, { declared: false, denied: 3 }))
  return { name: 'shop-of-two-hundred', services, edges }
}

/** Names are what the fleet file allows, in truth; here even they are not. */
function hostile() {
  const name = (n) => `${PLANTED}${n}`
  return {
    name: PLANTED,
    services: [
      { name: 'outside', kind: 'outside', owner: null, data: [], protocol: null },
      service(name(1), PLANTED, [PLANTED], { protocol: PLANTED, freshness: PLANTED, firing: 1 }),
      service(name(2), PLANTED, [PLANTED], { protocol: PLANTED, freshness: PLANTED, attached: false }),
    ],
    edges: [edge('outside', name(1), 3, { group: PLANTED, suite: PLANTED }), edge(name(1), name(2), 3, { denied: 1, group: PLANTED, suite: PLANTED })],
    texts: PLANTED,
  }
}

function empty() {
  return { name: 'new', services: [], edges: [] }
}

export const FLEETS = { empty, small: bank, large: () => large(200), hostile }
