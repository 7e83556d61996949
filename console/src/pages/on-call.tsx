// The board for whoever was woken: what fails and where, what was denied and what changed before it, what alerts say and what to do, and
// where services went that they never went before.

import { useEffect, useState } from 'preact/hooks'
import { age, onEvents } from '../api/live.ts'
import { post, me } from '../api/client.ts'
import type { Alert, Change, EgressDestination, EgressStatus, IndicatorStatus, Indicators, Ocsf } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { byPriority } from '../lib/alerts.ts'
import { bytes, clock, count, of, percent, stretch } from '../lib/format.ts'
import { ours, reason, upshot } from '../lib/record.ts'
import { runbookHref } from '../lib/safe.ts'
import { bads, windowOf } from '../lib/series.ts'
import { Badge, SeverityBadge, When } from '../parts/badges.tsx'
import { Chart, changeHref } from '../parts/chart.tsx'
import { PageHead, Panel } from '../parts/panel.tsx'
import { Empty, Shown } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { useAlerts } from '../state/alerts.ts'
import { useLoad } from '../state/load.ts'
import { useChanges, useSeries } from '../state/series.ts'

const HOUR_S = 3600
/** What is counted comes in steps of 15 s, so this shows it within them. */
const EVERY_MS = 5_000

export function OnCall() {
  return (
    <>
      <PageHead title="On-call board"><span class="muted">{age.value === null ? '' : `Data is ${stretch(age.value)} old`}</span></PageHead>
      <div class="board board-two">
        <div class="stack">
          <AlertsPanel />
          <AuthFailures />
        </div>
        <Denies />
        <Egress />
      </div>
    </>
  )
}

interface Failing { service: string; bad: number; all: number; told: number; last: Ocsf | null }

/** Failed authentication that was told of since the page was opened, by service. */
function useTold(): Map<string, { told: number; last: Ocsf }> {
  const [told, setTold] = useState(() => new Map<string, { told: number; last: Ocsf }>())
  useEffect(() => onEvents((records) => {
    const those = records.filter(isAuthFailure)
    if (those.length === 0) return
    setTold((before) => {
      const next = new Map(before)
      for (const it of those) {
        const service = ours(it).service ?? 'fleet'
        next.set(service, { told: (next.get(service)?.told ?? 0) + 1, last: it })
      }
      return next
    })
  }), [])
  return told
}

/** As M1 counts them: handshakes and identities refused for who came, and 401. */
export const isAuthFailure = (it: Ocsf) =>
  (upshot(it) === 'denied' && ['handshake', 'identity', 'person'].includes(ours(it).kind ?? '')) || it.http_response?.code === 401

function failing(m1: IndicatorStatus | undefined, told: Map<string, { told: number; last: Ocsf }>): Failing[] {
  const rows = new Map<string, Failing>()
  for (const place of m1?.places ?? []) {
    if (place.place === 'fleet' || place.place.includes(' -> ')) continue
    const hour = windowOf(place.windows, HOUR_S)
    if (hour && hour.bad > 0) rows.set(place.place, { service: place.place, bad: hour.bad, all: hour.all, told: 0, last: null })
  }
  for (const [service, it] of told) {
    const row = rows.get(service) ?? { service, bad: 0, all: 0, told: 0, last: null }
    rows.set(service, { ...row, ...it })
  }
  return [...rows.values()]
}

const FAILING: Column<Failing>[] = [
  { name: 'Service', cell: (it) => <a href={at('/', { service: it.service })}>{it.service}</a>, by: (it) => it.service },
  { name: 'Last hour', number: true, cell: (it) => of(it.bad, it.all), by: (it) => it.bad },
  { name: 'Share', number: true, cell: (it) => (it.all > 0 ? percent(it.bad / it.all) : '–'), by: (it) => (it.all > 0 ? it.bad / it.all : 0) },
  { name: 'Since opened', number: true, cell: (it) => count(it.told), by: (it) => it.told },
  {
    name: 'Last', cell: (it) => (it.last
      ? <a href={at('/events', { open: it.last.metadata?.uid ?? null, at: String(it.last.time) })}>{clock(it.last.time)} {reason(it.last).code ?? reason(it.last).text ?? ''}</a>
      : <a href={at('/events', { service: it.service, outcome: 'denied', last: '1h' })}>events</a>),
  },
]

function AuthFailures() {
  const indicators = useLoad<Indicators>('indicators', EVERY_MS)
  const series = useSeries('M1', 'fleet', HOUR_S, EVERY_MS)
  const changes = useChanges(HOUR_S, EVERY_MS)
  const told = useTold()
  return (
    <Panel title="Authentication failures by service" id="auth-failures" note="Handshakes refused for who came, calls answered 401, calls let in without mutual TLS (M1)" action={<a href={at('/objectives', { indicator: 'M1' })}>Objective</a>}>
      <Shown loaded={indicators}>
        {(it) => {
          const rows = failing(it.indicators.find((one) => one.id === 'M1'), told)
          return rows.length === 0 ? <Empty title="None in the last hour" /> : <Table caption="Authentication failures by service" columns={FAILING} rows={rows} id={(row) => row.service} first={{ column: 'Last hour', down: true }} most={12} />
        }}
      </Shown>
      <Shown loaded={series}>
        {(it) => <Chart title="Authentication failures, last hour" times={it.points.map((point) => point.at)} lines={[{ name: `failures in ${stretch(it.step_s * 1000)}`, tone: 'failed', values: bads(it.points), bars: true }]} changes={changes.data?.changes ?? []} format={(n) => count(n)} zero height={130} />}
      </Shown>
    </Panel>
  )
}

function Denies() {
  const series = useSeries('M3', 'fleet', 6 * HOUR_S, EVERY_MS)
  const changes = useChanges(6 * HOUR_S, EVERY_MS)
  return (
    <Panel title="Policy denies and recent changes" id="denies" action={<a href={at('/events', { outcome: 'denied', last: '6h' })}>Denied events</a>}>
      <Shown loaded={series}>
        {(it) => <Chart title="Denied calls, last six hours" times={it.points.map((point) => point.at)} lines={[{ name: `denied in ${stretch(it.step_s * 1000)}`, tone: 'deny', values: bads(it.points), bars: true }]} changes={changes.data?.changes ?? []} format={(n) => count(n)} zero height={150} />}
      </Shown>
      <h3>Changes of the last six hours</h3>
      <Shown loaded={changes}>
        {(it) => (it.changes.length === 0 ? <p class="muted">None.</p> : (
          <ul class="plain-list rows">
            {it.changes.slice(0, 8).map((change) => <li key={`${change.at}${change.what}`}><ChangeLine it={change} /></li>)}
          </ul>
        ))}
      </Shown>
      <TakeBack />
    </Panel>
  )
}

export function ChangeLine({ it }: { it: Change }) {
  return (
    <>
      <Badge tone={it.kind === 'policy' ? 'info' : 'quiet'}>{it.kind}</Badge>{' '}
      <a href={changeHref(it)}>{it.what}</a>
      <span class="muted"> <When at={it.at} />{it.actor ? `, ${it.actor}` : ''}{it.service ? `, ${it.service}` : ''}{it.epoch ? `, epoch ${it.epoch}` : ''}</span>
    </>
  )
}

/** What is in force comes from files, so a change is taken back there; control reads them when it is told to. */
export function TakeBack() {
  const [said, setSaid] = useState<string | null>(null)
  if (me.value?.role === 'viewer') return null
  const reload = async () => {
    if (!confirm('Read the files again and put what they say in force?')) return
    setSaid('Reading the files')
    try {
      const done = await post<{ changed: string[] }>('reload', {})
      setSaid(done && done.changed.length > 0 ? `In force now: ${done.changed.join(', ')}.` : 'The files say what is in force already.')
    } catch (error) {
      setSaid(`Not done: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return (
    <p class="take-back">
      <span class="muted">To take a change back: restore the files (<code>git revert</code>), then</span>{' '}
      <button type="button" onClick={() => { void reload() }}>Reload files</button>{' '}
      <span role="status">{said}</span>
    </p>
  )
}

function AlertsPanel() {
  const loaded = useAlerts()
  return (
    <Panel title="Alerts by priority" id="alerts" action={<a href="/alerts">All alerts</a>}>
      <Shown loaded={loaded}>
        {(it) => {
          const rows = byPriority(it.alerts.filter((one) => one.state !== 'resolved'))
          return rows.length === 0 ? <Empty title="Nothing fires" /> : <ul class="plain-list rows">{incidents(rows).slice(0, 10).map((those) => <li key={those[0]?.id}><Incident of={those} /></li>)}</ul>
        }}
      </Shown>
    </Panel>
  )
}

/** Alerts of one incident are one line: the worst of them, and how many there are. */
function incidents(rows: Alert[]): Alert[][] {
  const found = new Map<string, Alert[]>()
  for (const it of rows) {
    const key = it.group ? `group ${it.group}` : it.id
    found.set(key, [...found.get(key) ?? [], it])
  }
  return [...found.values()]
}

function Incident({ of: those }: { of: Alert[] }) {
  const one = those[0]
  if (!one) return null
  const href = runbookHref(one.runbook)
  const more = [one.urgency, one.owner, one.state === 'pending' && 'pending', one.acknowledged_by && `acknowledged by ${one.acknowledged_by}`, one.silenced_by && 'quiet'].filter(Boolean).join(', ')
  return (
    <>
      <SeverityBadge severity={one.severity} /> <a href={at('/alerts', { open: one.id })}>{one.title}</a>
      <span class="muted"> <When at={one.since} />, {more}</span>
      {those.length > 1 && <span class="muted">, with {those.length - 1} more</span>}
      {href && <a class="runbook" href={href} rel="noreferrer">Runbook</a>}
    </>
  )
}

const destination = (it: EgressDestination) => `${it.host ?? it.addresses[0] ?? 'an address'}${it.port ? `:${it.port}` : ''}`

export const EGRESS: Column<EgressDestination>[] = [
  { name: 'First seen', cell: (it) => <When at={it.first_seen} />, by: (it) => it.first_seen },
  { name: 'Service', cell: (it) => <a href={at('/', { service: it.service })}>{it.service}</a>, by: (it) => it.service },
  { name: 'Destination', cell: (it) => <><span class="break">{destination(it)}</span> <span class="muted">{it.protocol}</span></>, by: destination, wide: true },
  {
    name: 'Action', by: (it) => it.refused, cell: (it) => (it.refused > 0
      ? <Badge tone="deny" icon="deny">{it.passed > 0 ? 'partly blocked' : 'blocked'}</Badge>
      : it.learned ? <Badge tone="failed" icon="failed">learned</Badge> : <Badge tone="allow" icon="allow">allowed</Badge>),
  },
  { name: 'Why', cell: (it) => it.refusal ?? '–' },
  { name: 'Bytes out', number: true, cell: (it) => bytes(it.bytes_up), by: (it) => it.bytes_up },
  { name: 'Bytes in', number: true, cell: (it) => bytes(it.bytes_down), by: (it) => it.bytes_down },
]

function Egress() {
  const egress = useLoad<EgressStatus>('egress', EVERY_MS)
  return (
    <Panel title="Outbound destinations" id="egress" wide note="What services reached outside the fleet, the newest first" action={<a href={at('/events', { class: 'egress' })}>Events</a>}>
      <Shown loaded={egress}>
        {(it) => (it.destinations.length === 0
          ? <Empty title="No service went outside" />
          : <Table caption="Outbound destinations" columns={EGRESS} rows={it.destinations} id={(row) => `${row.service} ${destination(row)} ${row.protocol}`} first={{ column: 'First seen', down: true }} most={15} />)}
      </Shown>
    </Panel>
  )
}
