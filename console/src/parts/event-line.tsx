// One event in one line, and what its record says in full.

import type { Ocsf } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { clock, micros, moment, shortId } from '../lib/format.ts'
import { ours, parties, reason, uid, upshot } from '../lib/record.ts'
import { UpshotBadge, When, isoOf } from './badges.tsx'
import { Facts } from './panel.tsx'

export function EventLine({ record }: { record: Ocsf }) {
  return (
    <a class="event-line" href={at('/events', { open: uid(record), at: String(record.time) })}>
      <UpshotBadge upshot={upshot(record)} />
      <span class="event-message">{record.message ?? record.class_name ?? 'event'}</span>
      <time class="muted" dateTime={isoOf(record.time)} title={moment(record.time)}>{clock(record.time)}</time>
    </a>
  )
}

export function EventDetails({ record }: { record: Ocsf }) {
  const it = ours(record)
  const { from, to } = parties(record)
  const why = reason(record)
  const text = JSON.stringify(record, null, 2)
  return (
    <>
      <p class="event-title"><UpshotBadge upshot={upshot(record)} /> {record.message}</p>
      {it.request && (
        <nav class="sheet-links" aria-label="More of this event">
          <a href={`/requests/${encodeURIComponent(it.request)}`}>Whole request</a>
          {it.decision && <a href={at(`/requests/${encodeURIComponent(it.request)}`, { view: 'why' })}>Why was this {it.decision === 'deny' ? 'denied' : 'allowed'}?</a>}
        </nav>
      )}
      <Facts of={[
        ['When', <><When at={record.time} /> <span class="muted">{moment(record.time)}</span></>],
        ['Kind', it.kind],
        ['Service', it.service ? <a href={at('/', { service: it.service })}>{it.service}</a> : null],
        ['Seen by', it.seen_by],
        ['From', shortId(from)],
        ['To', to],
        ['Reason', [why.code, why.text].filter(Boolean).join(': ')],
        ['Decision', it.decision],
        ['Policies', it.policies && it.policies.length > 0 ? it.policies.map((name) => <div key={name}><a href={at('/policies', { policy: name })}><code>{name}</code></a></div>) : null],
        ['Epoch', it.epoch ?? null],
        ['Status', record.http_response?.code ?? null],
        ['Took', it.took_us === undefined ? null : micros(it.took_us)],
        ['Guard added', it.added_us === undefined ? null : micros(it.added_us)],
        ['Owner', it.owner],
        ['Data', it.data?.join(', ')],
        ['Version', it.version],
        ['Image', it.image ? <code>{it.image}</code> : null],
        ['Request', it.request ? <code>{it.request}</code> : null],
      ]} />
      <h3>Record (OCSF)</h3>
      <pre class="record" tabIndex={0}>{text}</pre>
    </>
  )
}
