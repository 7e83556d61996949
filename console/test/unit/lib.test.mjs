// The plain functions of the console, compiled by tsc into .unit.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SseReader } from '../../.unit/src/api/sse.js'
import { CLASSES, entry, eventFilter, eventQuery, eventWords, parseMoment, parseStretch, readQuery, writeQuery } from '../../.unit/src/lib/address.js'
import { beyond, byPriority, matchers, measured } from '../../.unit/src/lib/alerts.js'
import { backoff } from '../../.unit/src/lib/backoff.js'
import { newestFirst } from '../../.unit/src/lib/changes.js'
import { forecast } from '../../.unit/src/lib/expiry.js'
import { ago, bytes, count, cut, micros, percent, rate, short, shortId, stretch } from '../../.unit/src/lib/format.js'
import { BOX, curve, distance, fit, layout, zoom } from '../../.unit/src/lib/layout.js'
import { blocks } from '../../.unit/src/lib/markdown.js'
import { fits, upshot } from '../../.unit/src/lib/record.js'
import { runbookHref, safeHref, slug } from '../../.unit/src/lib/safe.js'
import { goal, shares } from '../../.unit/src/lib/series.js'
import { waterfall } from '../../.unit/src/lib/waterfall.js'
import { FLEETS } from '../../dev/fleets.mjs'

/** Thin spaces read badly in a test. */
const plain = (text) => text.replaceAll('\u202f', ' ')

test('addresses that are scripts are no links', () => {
  for (const text of ['javascript:alert(1)', ' JavaScript:alert(1)', 'java\nscript:alert(1)', 'data:text/html,x', 'vbscript:x', '//evil.test/x', '/\\evil.test', 'ftp://x', '', null, 'x.html', 'https:', 'blob:https://x']) {
    assert.equal(safeHref(text), null, `followed ${text}`)
  }
  assert.equal(safeHref('https://runbooks.example/a?b=c#d'), 'https://runbooks.example/a?b=c#d')
  assert.equal(safeHref('/runbooks'), '/runbooks')
})

test('runbooks of ours are pages of the console', () => {
  assert.equal(runbookHref('docs/manual/runbooks.md#bartizanGuardAway'), '/runbooks?section=bartizanguardaway')
  assert.equal(runbookHref('runbooks.md'), '/runbooks')
  assert.equal(runbookHref('#drift'), '/runbooks?section=drift')
  assert.equal(runbookHref('https://wiki.example/runbooks.md#a'), 'https://wiki.example/runbooks.md#a')
  assert.equal(runbookHref('javascript:runbooks.md'), null)
  assert.equal(slug('BartizanGuardAway'), 'bartizanguardaway')
})

test('a share is not rounded to all or to none', () => {
  for (const [share, text] of [[1, '100 %'], [0, '0 %'], [0.999999, '>99.99 %'], [0.0000001, '<0.01 %'], [0.12345, '12.35 %'], [0.5, '50 %'], [null, '–'], [NaN, '–']]) {
    assert.equal(plain(percent(share)), text, `${share}`)
  }
})

test('numbers are as people read them', () => {
  assert.deepEqual([0, 999, 1000, 1234567].map((it) => plain(count(it))), ['0', '999', '1 000', '1 234 567'])
  assert.deepEqual([0, 0.04, 3.14159, 48, 12_345, 2e6].map((it) => plain(rate(it))), ['0', '<0.1', '3.1', '48', '12.3 k', '2.00 M'])
  assert.deepEqual([12, 1500, 2.4e6].map((it) => plain(bytes(it))), ['12 B', '1.50 kB', '2.40 MB'])
  assert.deepEqual([12, 1500, 2.4e6, null].map((it) => plain(micros(it))), ['12 µs', '1.50 ms', '2.40 s', '–'])
  assert.deepEqual([4_000, 125_000, 3_900_000, 86_400_000 * 2.5].map((it) => plain(stretch(it))), ['4 s', '2 min', '1 h 5 min', '2 d 12 h'])
  assert.deepEqual([0, 60_000, -60_000].map((by) => plain(ago(1e12 - by, 1e12))), ['now', '1 min ago', 'in 1 min'])
  assert.equal(plain(short(Infinity)), '–')
  assert.equal(cut('abcdef', 4), 'abc…')
  assert.equal(shortId('spiffe://bank.example/svc/payment'), 'payment')
  assert.equal(shortId('spiffe://other.test/x/y'), 'other.test/x/y')
})

test('a filter goes into the address and comes back', () => {
  const filter = { service: 'payment', identity: 'spiffe://bank.example/svc/gateway', outcome: ['denied', 'failed'], class: ['request'], text: 'a&b=c <é>', version: '1.4', image: 'r.test:5000/a:1', request: 'f'.repeat(32), last: '30m', from: '', to: '' }
  assert.deepEqual(eventFilter(readQuery(writeQuery(eventWords(filter)))), filter)
  assert.equal(writeQuery({ b: '2', a: '1', c: '', d: null }), '?a=1&b=2')
})

test('words that are not known are left out of a filter', () => {
  const filter = eventFilter({ outcome: 'denied,evil', class: 'request,<script>', last: 'ever' })
  assert.deepEqual([filter.outcome, filter.class, filter.last], [['denied'], ['request'], ''])
  assert.equal(CLASSES.length, 16)
})

test('times of a filter become those of control', () => {
  const asked = new URLSearchParams(eventQuery(eventFilter({ last: '5m' }), 1_000_000_000_000))
  assert.equal(asked.get('since_ms'), String(1_000_000_000_000 - 300_000))
  const fixed = new URLSearchParams(eventQuery(eventFilter({ last: '5m', from: '1000000000000', to: '1000000060000' }), 2e12))
  assert.deepEqual([fixed.get('since_ms'), fixed.get('until_ms')], ['1000000000000', '1000000060000'])
  assert.deepEqual(['90s', '2h', '0m', 'x', '5'].map(parseStretch), [90_000, 7_200_000, null, null, null])
  assert.equal(parseMoment('2026-11-27T10:00:00Z'), Date.UTC(2026, 10, 27, 10))
  assert.equal(parseMoment('<b>'), null)
})

test('one field of the debug board takes four kinds', () => {
  const now = Date.UTC(2026, 10, 27, 12)
  const id = '4bf92f3577b34da6a3ce929d0e0e4736'
  for (const [text, kind] of [
    ['', 'none'], [id, 'request'], [`00-${id}-00f067aa0ba902b7-01`, 'request'], [id.toUpperCase(), 'request'], [`sha256:${'a'.repeat(64)}`, 'digest'], ['a'.repeat(64), 'digest'],
    ['spiffe://bank.example/svc/payment', 'principal'], ['payment', 'principal'], ['ana@bank.example', 'principal'], ['last 30m', 'time'], ['6h', 'time'],
    ['2026-11-27T10:00Z / 2026-11-27T11:00Z', 'time'], ['2026-11-27T10:00Z', 'time'], ['2026-11-27T11:00Z / 2026-11-27T10:00Z', 'unknown'], ['<img src=x>', 'unknown'],
  ]) assert.equal(entry(text, now).kind, kind, text)
  assert.deepEqual(entry('last 30m', now), { kind: 'time', since: now - 1_800_000, until: now })
})

test('messages of the stream are whole, however they are cut', () => {
  const text = 'event: hello\ndata: {"a":1}\n\n: nothing\n\nid: 7\r\nevent: events\r\ndata: [1,\r\ndata: 2]\r\n\r\ndata: last\n\n'
  const expected = [{ event: 'hello', data: '{"a":1}', id: null }, { event: 'events', data: '[1,\n2]', id: '7' }, { event: 'message', data: 'last', id: '7' }]
  for (let size = 1; size < text.length; size++) {
    const reader = new SseReader()
    const found = []
    for (let at = 0; at < text.length; at += size) found.push(...reader.push(text.slice(at, at + size)))
    assert.deepEqual(found, expected, `in pieces of ${size}`)
  }
})

test('a stream without end in a line is given up', () => {
  const reader = new SseReader()
  assert.throws(() => { for (let n = 0; n < 20; n++) reader.push('x'.repeat(1 << 20)) }, /too long/)
})

test('waiting grows, to an end, and is left to chance by half', () => {
  assert.deepEqual([0, 1, 2, 3].map((n) => backoff(n, 1)), [500, 1000, 2000, 4000])
  assert.equal(backoff(40, 1), 15_000)
  assert.equal(backoff(40, 0), 7_500)
})

function overlaps(plan) {
  const places = [...plan.places.values()]
  return places.some((a, n) => places.slice(n + 1).some((b) => Math.abs(a.x - b.x) < BOX.width && Math.abs(a.y - b.y) < BOX.height))
}

test('services stand apart, callers left of callees, and where they stood before', () => {
  for (const name of Object.keys(FLEETS)) {
    const fleet = FLEETS[name]()
    const names = fleet.services.map((it) => it.name)
    const plan = layout(names, fleet.edges)
    assert.equal(plan.places.size, names.length, name)
    assert.ok(!overlaps(plan), `${name}: two services lie on each other`)
    const again = layout([...names].reverse(), fleet.edges)
    for (const it of names) assert.deepEqual(again.places.get(it), plan.places.get(it), `${name}: the order of names moved ${it}`)
  }
  const bank = FLEETS.small()
  const plan = layout(bank.services.map((it) => it.name), bank.edges)
  for (const { from, to } of bank.edges) assert.ok(plan.places.get(from).x < plan.places.get(to).x, `${from} is left of ${to}`)
})

test('circles and edges to nowhere are drawn as well', () => {
  const plan = layout(['a', 'b', 'c'], [{ from: 'a', to: 'b' }, { from: 'b', to: 'c' }, { from: 'c', to: 'a' }, { from: 'a', to: 'a' }, { from: 'a', to: 'gone' }])
  assert.equal(plan.places.size, 3)
  assert.ok(!overlaps(plan))
  const [a, c] = ['a', 'c'].map((it) => plan.places.get(it))
  assert.ok(curve(plan, c, a).every(Number.isFinite))
  assert.deepEqual(layout([], []).places.size, 0)
})

test('two hundred services are laid out at once, in about the shape of a window', () => {
  const fleet = FLEETS.large()
  const names = fleet.services.map((it) => it.name)
  const began = performance.now()
  const plan = layout(names, fleet.edges)
  const took = performance.now() - began
  assert.ok(took < 500, `${took} ms`)
  assert.ok(plan.width / plan.height > 0.9 && plan.width / plan.height < 6, `${plan.width} by ${plan.height}`)
})

/** Points of a curve. */
function along(points) {
  const found = []
  for (let n = 0; n + 8 <= points.length; n += 6) {
    const [x0, y0, x1, y1, x2, y2, x3, y3] = points.slice(n, n + 8)
    for (let t = 0; t <= 1; t += 0.02) {
      const u = 1 - t
      const at = (a, b, c, d) => u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d
      found.push([at(x0, x1, x2, x3), at(y0, y1, y2, y3)])
    }
  }
  return found
}

test('the distance to a curve is that to its nearest point', () => {
  const points = [0, 0, 10, 0, 20, 0, 30, 0, 40, 0, 50, 0, 60, 0]
  assert.equal(distance(points, 45, 7), 7)
  assert.equal(distance(points, 63, 4), 5)
})

test('in a hand calls go down', () => {
  const bank = FLEETS.small()
  const plan = layout(bank.services.map((it) => it.name), bank.edges, true)
  assert.ok(!overlaps(plan) && plan.height > plan.width, `${plan.width} by ${plan.height}`)
  for (const { from, to } of bank.edges) assert.ok(plan.places.get(from).y < plan.places.get(to).y, `${from} is above ${to}`)
})

for (const down of [false, true]) test(`edges of a small fleet are led round what they pass${down ? ', also downwards' : ''}`, () => {
  const bank = FLEETS.small()
  const plan = layout(bank.services.map((it) => it.name), bank.edges, down)
  for (const { from, to } of bank.edges) {
    const points = curve(plan, plan.places.get(from), plan.places.get(to))
    for (const it of plan.places.values()) {
      if (it.name === from || it.name === to) continue
      const inside = along(points).find(([x, y]) => x > it.x + 2 && x < it.x + BOX.width - 2 && y > it.y + 2 && y < it.y + BOX.height - 2)
      assert.equal(inside, undefined, `${from} to ${to} goes through ${it.name} at ${it.x}, ${it.y}`)
    }
  }
})

test('zooming keeps what is under the pointer there', () => {
  const view = { k: 0.5, x: 40, y: -10 }
  const near = zoom(view, 1.7, 300, 200)
  assert.ok(Math.abs((300 - near.x) / near.k - (300 - view.x) / view.k) < 1e-9)
  const all = fit({ width: 1000, height: 500 }, { width: 800, height: 800 })
  assert.ok(all.x >= 0 && all.x + 1000 * all.k <= 800)
})

test('an event belongs to a filter as control has it', () => {
  const record = { time: 1, status: 'Failure', message: 'x', unmapped: { bartizan: { kind: 'request', service: 'payment', peer: 'spiffe://b/svc/gateway', denial: true, request: 'r', version: '1.10', image: `r.test:5000/pay:1.10@sha256:${'a'.repeat(64)}` } } }
  const filter = { service: '', identity: '', outcome: [], class: [], text: '', request: '', version: '', image: '' }
  assert.equal(upshot(record), 'denied')
  assert.equal(upshot({ time: 1, status: 'Failure' }), 'failed')
  for (const [more, holds] of [[{}, true], [{ service: 'users' }, false], [{ outcome: ['failed'] }, false], [{ outcome: ['denied'] }, true], [{ identity: 'gateway' }, true], [{ identity: 'way' }, false], [{ class: ['person'] }, false],
    [{ text: 'GATEWAY' }, true], [{ request: 'q' }, false], [{ version: '1.10' }, true], [{ version: '1.1' }, false], [{ image: 'r.test:5000/pay' }, true], [{ image: 'r.test:5000/pay:1.10' }, true], [{ image: `sha256:${'a'.repeat(64)}` }, true], [{ image: 'r.test:5000/pay:1' }, false], [{ image: 'pay' }, false]]) {
    assert.equal(fits(record, { ...filter, ...more }), holds, JSON.stringify(more))
  }
})

test('pages before tickets, worst first', () => {
  const made = (id, more) => ({ id, severity: 'low', urgency: 'ticket', state: 'firing', since: 1, ...more })
  const sorted = byPriority([made('resolved', { state: 'resolved', severity: 'critical' }), made('ticket', { severity: 'critical' }), made('page', { urgency: 'page', severity: 'medium' }), made('new', { since: 9 }), made('old', {})])
  assert.deepEqual(sorted.map((it) => it.id), ['page', 'ticket', 'new', 'old', 'resolved'])
  assert.equal(matchers([{ name: 'service', value: 'ledger' }, { name: 'owner', value: 'a.*', is_regex: true, is_equal: false }]), 'service = ledger, owner ≠ pattern a.*')
  assert.deepEqual([beyond('a b', 'a b (fleet: 3 where 1 is the limit)'), beyond('a', 'other'), beyond('a', null), beyond('a', 'a')], ['fleet: 3 where 1 is the limit', 'other', '', ''])
  assert.deepEqual([matchers([]), measured(14.9234), measured(3), measured(null), measured(NaN)], ['everything', '14.9', '3', null, null])
})

test('changes stand with the newest first, whichever way they came', () => {
  const made = (at, what) => ({ at, what })
  const right = [made(3, 'c'), made(2, 'b2'), made(2, 'b1'), made(1, 'a')]
  assert.deepEqual(newestFirst(right), right)
  assert.deepEqual(newestFirst([...right].reverse()), right)
  assert.deepEqual(newestFirst([]), [])
})

test('each thing that runs out is in one step', () => {
  const items = [-1, 1, 1e6, 4e6, 1e8, 1e9, 1e12].map((at, n) => ({ at, name: String(n) }))
  const steps = forecast(items, 0)
  assert.equal(steps.reduce((sum, it) => sum + it.items.length, 0), items.length)
  assert.deepEqual(steps[0].items.map((it) => it.name), ['0'])
})

test('nothing counted is no share', () => {
  assert.deepEqual(shares([{ at: 1, bad: 1, all: 4 }, { at: 2, bad: 0, all: 0 }], true), [0.75, null])
  assert.equal(goal({ is_success: true, places: [{ budget: { bad_max: 0.25 } }] }), 0.75)
  assert.equal(goal({ is_success: true, places: [] }), null)
})

test('bars of a waterfall stay within it, also with clocks that differ', () => {
  const step = (at, took_us, added_us = 10) => ({ depth: 0, at, took_us, added_us, service: 'a', seen_by: 'inbound', event: {} })
  const { rows, length_us } = waterfall([step(1010, 10_000), step(1008, 4_000), step(1012, 100), step(1011, null)])
  assert.equal(length_us, 12_000)
  for (const it of rows) assert.ok(it.start >= 0 && it.start + it.length <= 1.000001 && it.added <= 1, JSON.stringify(it))
})

test('runbooks become blocks, and nothing of them HTML', () => {
  const [heading, paragraph, list] = blocks('## A `b` <c>\n\n*page*, see [x](y.md). <script>\n\n1. one `a`\n2. two')
  assert.deepEqual([heading.kind, heading.slug, heading.spans.length], ['heading', 'a-b-c', 3])
  assert.equal(paragraph.spans.at(-1).text, '. <script>')
  assert.deepEqual([list.ordered, list.items.length], [true, 2])
})
