// What a page was asked for, and the query string that says the same: an address that is sent to a colleague shows the colleague the same.

export type Words = Record<string, string>

export function readQuery(search: string): Words {
  const found: Words = {}
  for (const [name, value] of new URLSearchParams(search)) if (value !== '') found[name] = value
  return found
}

/** In the order of names, so that equal questions have equal addresses. */
export function writeQuery(words: Record<string, string | null | undefined>): string {
  const kept = Object.entries(words).filter((it): it is [string, string] => typeof it[1] === 'string' && it[1] !== '')
  kept.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const text = new URLSearchParams(kept).toString()
  return text === '' ? '' : `?${text}`
}

export function at(path: string, words: Record<string, string | null | undefined> = {}): string {
  return path + writeQuery(words)
}

/** What is asked of events. `last` is a stretch until now (`30m`); `from` and `to` are moments, and go before it. */
export interface EventFilter {
  service: string
  identity: string
  outcome: string[]
  class: string[]
  text: string
  version: string
  image: string
  request: string
  last: string
  from: string
  to: string
}

export const OUTCOMES = ['ok', 'denied', 'failed'] as const
export const CLASSES = [
  'request', 'connection', 'handshake', 'refused', 'config', 'process', 'identity', 'loss', 'ended', 'rotation', 'clock', 'budget',
  'egress', 'person', 'alert', 'predicted',
] as const

const chosen = (text: string | undefined, known: readonly string[]) => (text ?? '').split(',').filter((it) => known.includes(it))

/** Classes are not checked against ours: control may know more. */
export function eventFilter(words: Words): EventFilter {
  return {
    service: words['service'] ?? '',
    identity: words['identity'] ?? '',
    outcome: chosen(words['outcome'], OUTCOMES),
    class: (words['class'] ?? '').split(',').filter((it) => /^[a-z_]{1,32}$/.test(it)),
    text: words['text'] ?? '',
    version: (words['version'] ?? '').trim(),
    image: (words['image'] ?? '').trim(),
    request: (words['request'] ?? '').trim(),
    last: parseStretch(words['last'] ?? '') === null ? '' : words['last'] ?? '',
    from: words['from'] ?? '',
    to: words['to'] ?? '',
  }
}

/** The words of the address; those that say nothing are left out. */
export function eventWords(filter: EventFilter): Words {
  const { outcome, class: classes, ...texts } = filter
  const words: Words = {}
  for (const [name, value] of Object.entries(texts)) if (value !== '') words[name] = value
  if (outcome.length > 0) words['outcome'] = outcome.join(',')
  if (classes.length > 0) words['class'] = classes.join(',')
  return words
}

/** The same for control. */
export function eventQuery(filter: EventFilter, now: number, more: Words = {}): string {
  const { since, until } = range(filter, now)
  return writeQuery({
    service: filter.service,
    identity: filter.identity,
    outcome: filter.outcome.join(','),
    class: filter.class.join(','),
    text: filter.text,
    version: filter.version,
    image: filter.image,
    request: filter.request,
    since_ms: since === null ? '' : String(since),
    until_ms: until === null ? '' : String(until),
    ...more,
  })
}

export function range(filter: Pick<EventFilter, 'last' | 'from' | 'to'>, now: number): { since: number | null; until: number | null } {
  const [since, until] = [parseMoment(filter.from), parseMoment(filter.to)]
  if (since !== null || until !== null) return { since, until }
  const last = parseStretch(filter.last)
  return { since: last === null ? null : now - last, until: null }
}

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, min: 60e3, h: 3600e3, d: 86_400e3, w: 7 * 86_400e3 }

/** `90s`, `30m`, `6h`, `7d` in milliseconds. */
export function parseStretch(text: string): number | null {
  const found = /^(\d{1,6})\s*(s|m|min|h|d|w)$/.exec(text.trim())
  if (!found) return null
  const unit = UNITS[found[2] ?? '']
  const n = Number(found[1])
  return unit === undefined || n === 0 ? null : n * unit
}

/** A moment: milliseconds, or as an input of the browser writes it (`2026-11-27T14:03`, here), or with a zone. */
export function parseMoment(text: string): number | null {
  if (/^\d{12,14}$/.test(text)) return Number(text)
  if (!/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(text)) return null
  const at = Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'))
  return Number.isNaN(at) ? null : at
}

/** What somebody put into the one field of the debug board. */
export type Entry =
  | { kind: 'none' }
  | { kind: 'request'; id: string }
  | { kind: 'digest'; digest: string }
  | { kind: 'principal'; name: string }
  | { kind: 'time'; since: number; until: number }
  | { kind: 'unknown'; why: string }

export function entry(text: string, now: number): Entry {
  const it = text.trim()
  if (it === '') return { kind: 'none' }
  // A `traceparent` (W3C) or its trace id.
  const parent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/i.exec(it)
  if (parent?.[1]) return { kind: 'request', id: parent[1].toLowerCase() }
  if (/^[0-9a-f]{32}$/i.test(it)) return { kind: 'request', id: it.toLowerCase() }
  const digest = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(it)
  if (digest?.[1]) return { kind: 'digest', digest: digest[1].toLowerCase() }
  if (/^spiffe:\/\/[^\s]+$/.test(it)) return { kind: 'principal', name: it }
  const last = parseStretch(it.replace(/^last\s+/i, ''))
  if (last !== null) return { kind: 'time', since: now - last, until: now }
  const [a, b, ...rest] = it.split(/\s*(?:\/|\.\.|–|\bto\b)\s*/)
  if (rest.length === 0 && a !== undefined) {
    const [since, until] = [parseMoment(a), b === undefined || b === '' || b === 'now' ? now : parseMoment(b)]
    if (since !== null && until !== null && since < until) return { kind: 'time', since, until }
  }
  if (/^[\w.@:|-]{1,255}$/.test(it)) return { kind: 'principal', name: it }
  return { kind: 'unknown', why: 'expected a trace id (32 hex digits), a SHA-256 digest, a service, user or SPIFFE ID, or a time such as `last 30m`' }
}
