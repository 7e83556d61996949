// The board for whoever digs: one field takes a trace id, a digest, a principal or a time, and every panel is about that.

import type { Changes, EdgeTls, IssuedList, Ocsf, Status } from '../api/types.ts'
import { status } from '../api/live.ts'
import { at, entry, type Entry } from '../lib/address.ts'
import { clock, count, moment, shortId, stretch } from '../lib/format.ts'
import { newestFirst } from '../lib/changes.ts'
import { causes } from '../lib/handshakes.ts'
import { ours, parties, reason, uid, upshot } from '../lib/record.ts'
import { UpshotBadge, When } from '../parts/badges.tsx'
import { PageHead, Panel } from '../parts/panel.tsx'
import { Empty, Failed, Loading, NoSource, Shown } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { controlNow } from '../state/clock.ts'
import { useLines } from '../state/lines.ts'
import { useLoad } from '../state/load.ts'
import { ask, query } from '../state/router.ts'
import { useMemo } from 'preact/hooks'
import { ChangeLine } from './on-call.tsx'

const HOUR_MS = 3_600_000

export function Debug() {
  const asked = query.value['q'] ?? ''
  const it = useMemo(() => entry(asked, controlNow()), [asked])
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    ask({ q: String(new FormData(event.currentTarget as HTMLFormElement).get('q') ?? '').trim() })
  }
  return (
    <>
      <PageHead title="Debug board" />
      <form class="filters" role="search" onSubmit={submit}>
        <div class="filter-row">
          <label class="grow">Trace id, digest, principal or time<input key={asked} name="q" type="search" defaultValue={asked} placeholder="4bf92f35… · sha256:… · spiffe://… or a service · last 30m" spellcheck={false} autocapitalize="none" /></label>
          <button type="submit" class="primary">Look</button>
        </div>
        <p class="muted entry-kind" role="status">{say(it)}</p>
      </form>
      <div class="board">
        <FailedFlows it={it} />
        <Handshakes it={it} />
        <Rollouts it={it} />
        <Panel title="Exposed secrets" id="exposed-secrets"><NoSource>No scanner reports findings yet.</NoSource></Panel>
      </div>
    </>
  )
}

function say(it: Entry): preact.ComponentChildren {
  switch (it.kind) {
    case 'none': return 'Nothing asked: the last hour of everything.'
    case 'request': return <>One request. <a href={`/requests/${it.id}`}>Its waterfall</a>, <a href={at(`/requests/${it.id}`, { view: 'why' })}>its decisions</a>.</>
    case 'digest': return 'A digest: certificates with this key or issuer, and whatever names it.'
    case 'principal': return <>Whoever is called {shortId(it.name)}.</>
    case 'time': return `From ${moment(it.since)} to ${moment(it.until)}, ${stretch(it.until - it.since)}.`
    case 'unknown': return it.why
  }
}

/** What is asked of events and changes for an entry. */
function words(it: Entry): Record<string, string> {
  switch (it.kind) {
    case 'request': return { request: it.id }
    case 'digest': return { text: it.digest }
    case 'principal': return { identity: it.name }
    case 'time': return { since_ms: String(it.since), until_ms: String(it.until) }
    default: return { since_ms: String(Math.floor((controlNow() - HOUR_MS) / 60_000) * 60_000) }
  }
}

/** How a failed flow failed, in a word: expired, audience, signature, the policy. */
function code(it: Ocsf): string {
  const { code: word, text } = reason(it)
  const policies = ours(it).policies ?? []
  if (ours(it).decision === 'deny') return policies.length > 0 ? `policy ${policies.join(', ')}` : 'policy: nothing permits it'
  return word ?? text ?? (it.http_response?.code === undefined ? it.status ?? '' : `answered ${it.http_response.code}`)
}

const FLOWS: Column<Ocsf>[] = [
  { name: 'Time', cell: (it) => <span title={moment(it.time)}>{clock(it.time)}</span>, by: (it) => it.time },
  { name: 'Outcome', cell: (it) => <UpshotBadge upshot={upshot(it)} /> },
  { name: 'Hop', cell: (it) => { const { from, to } = parties(it); return `${shortId(from)} to ${to ?? '–'}` } },
  { name: 'Reason', cell: (it) => <code class="break">{code(it)}</code>, by: code },
  { name: 'What happened', wide: true, cell: (it) => <a href={at('/events', { open: uid(it), at: String(it.time) })}>{it.message}</a> },
  { name: 'Request', cell: (it) => { const id = ours(it).request; return id ? <a href={`/requests/${encodeURIComponent(id)}`}><code>{id.slice(0, 8)}</code></a> : '–' } },
]

function FailedFlows({ it }: { it: Entry }) {
  const path = useMemo(() => (it.kind === 'unknown' ? null
    : `events?${new URLSearchParams({ ...words(it), outcome: 'denied,failed', class: 'request,connection,handshake,refused,identity,person,ended', limit: '200' })}`), [it])
  const found = useLines<Ocsf>(path)
  return (
    <Panel title="Failed flows" id="failed-flows" wide note="With the reason of each hop" {...it.kind === 'principal' ? { action: <a href={at('/events', { identity: it.name })}>All events</a> } : {}}>
      {path === null ? <Empty title="Nothing to look for" />
        : found.lines === null ? (found.error ? <Failed error={found.error} again={found.again} /> : <Loading />)
          : found.lines.length === 0 ? <Empty title="None failed" />
            : <><Reasons of={found.lines} /><Table caption="Failed flows" columns={FLOWS} rows={found.lines} id={uid} most={200} /></>}
    </Panel>
  )
}

/** The most frequent reasons, before the single ones. */
function Reasons({ of: records }: { of: Ocsf[] }) {
  const found = new Map<string, number>()
  for (const it of records) found.set(code(it), (found.get(code(it)) ?? 0) + 1)
  const most = [...found].sort((a, b) => b[1] - a[1]).slice(0, 6)
  return <p>{most.map(([word, n]) => <span class="tag" key={word}>{word} <b>{count(n)}</b></span>)}</p>
}

function Rollouts({ it }: { it: Entry }) {
  const path = useMemo(() => {
    const asked = new URLSearchParams({ limit: '100' })
    if (it.kind === 'time') {
      asked.set('since_ms', String(it.since))
      asked.set('until_ms', String(it.until))
    }
    return `changes?${asked}`
  }, [it])
  const changes = useLoad<Changes>(path)
  const name = it.kind === 'principal' ? shortId(it.name) : null
  return (
    <Panel title="Deploys and rollouts" id="rollouts" note="Deploys, policies, certificates and configuration in one line of time" action={<a href="/changes">All changes</a>}>
      <Shown loaded={changes}>
        {(data) => {
          const those = newestFirst(data.changes).filter((one) => !name || one.service === name || one.actor === name || !one.service)
          return those.length === 0 ? <Empty title="Nothing changed" /> : (
            <ol class="plain-list rows scroll">{those.slice(0, 60).map((one) => <li key={`${one.at}${one.what}${one.service}`}><ChangeLine it={one} /></li>)}</ol>
          )
        }}
      </Shown>
    </Panel>
  )
}

const TLS: Column<EdgeTls>[] = [
  { name: 'Peer', cell: (it) => <span class="break">{it.from === null ? 'clients outside' : shortId(it.from)}</span>, by: (it) => it.from ?? '' },
  { name: 'To', cell: (it) => it.to, by: (it) => it.to },
  { name: 'TLS', cell: () => '1.3' },
  { name: 'Key exchange', cell: (it) => it.group, by: (it) => it.group },
  { name: 'Cipher', cell: (it) => it.suite, by: (it) => it.suite },
  { name: 'Handshakes', number: true, cell: (it) => count(it.handshakes), by: (it) => it.handshakes },
  { name: 'Last', cell: (it) => <When at={it.last} />, by: (it) => it.last },
]

function Handshakes({ it }: { it: Entry }) {
  const of: Status | null = status.value
  const issued = useLoad<IssuedList>(it.kind === 'digest' ? 'ca/issued?limit=500' : null)
  if (!of) return <Panel title="Guards and handshakes" id="handshakes"><Loading /></Panel>
  const name = it.kind === 'principal' ? shortId(it.name) : null
  const rows = (of.tls ?? []).filter((one) => !name || one.to === name || shortId(one.from) === name)
  const failed = causes(of, name)
  const most = Math.max(1, ...failed.map((one) => one.count))
  const certificates = it.kind === 'digest' ? (issued.data?.issued ?? []).filter((one) => one.key === it.digest || one.issuer === it.digest) : []
  return (
    <Panel title="Guards and handshakes" id="handshakes" wide note="Each edge's TLS version, key exchange, cipher and peer, and why handshakes failed since guards started">
      <h3>Causes of failed handshakes</h3>
      {failed.length === 0 ? <p class="muted">None failed.</p> : (
        <ul class="histogram">
          {failed.map((one) => (
            <li key={one.cause}>
              <span>{one.cause.replaceAll('_', ' ')}</span>
              <span class="bar-track" aria-hidden="true"><span class="bar" style={{ width: `${100 * one.count / most}%` }} /></span>
              <b>{count(one.count)}</b>
              <span class="muted break">{one.services.slice(0, 4).join(', ')}</span>
            </li>
          ))}
        </ul>
      )}
      {it.kind === 'digest' && (
        <>
          <h3>Certificates with this digest</h3>
          {certificates.length === 0 ? <p class="muted">None of the last 500.</p>
            : <ul class="plain-list rows">{certificates.slice(0, 20).map((one) => <li key={one.serial}><code class="break">{one.serial}</code> {shortId(one.id)} <span class="muted">issued <When at={one.at} /></span></li>)}</ul>}
        </>
      )}
      {rows.length === 0 ? <Empty title="No handshake yet" /> : <Table caption="TLS of each edge" columns={TLS} rows={rows} id={(one) => `${one.from} ${one.to} ${one.group} ${one.suite}`} most={60} />}
    </Panel>
  )
}
