// The fleet as it is now: the map, the same as a table, and what is known of whoever is picked.

import { useCallback } from 'preact/hooks'
import { connection, first, map, mapFailed, status } from '../api/live.ts'
import type { FleetMap, MapEdge, MapService } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { count, micros, plural, rate } from '../lib/format.ts'
import { EdgeDetails, ServiceDetails } from '../map/details.tsx'
import type { Pick } from '../map/draw.ts'
import { firingOf, serviceTone, Stage } from '../map/stage.tsx'
import { Badge, MtlsBadge, When } from '../parts/badges.tsx'
import { Icon } from '../parts/icons.tsx'
import { PageHead, Sheet } from '../parts/panel.tsx'
import { Empty, Failed, Loading } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { ask, query } from '../state/router.ts'

function pickOf(words: Record<string, string>): Pick {
  if (words['from'] && words['to']) return { kind: 'edge', from: words['from'], to: words['to'] }
  return words['service'] ? { kind: 'service', name: words['service'] } : { kind: 'none' }
}

export function Overview() {
  const it = map.value
  const picked = pickOf(query.value)
  const asTable = query.value['view'] === 'table'
  const onPick = useCallback((to: Pick) => {
    ask({
      service: to.kind === 'service' ? to.name : null,
      from: to.kind === 'edge' ? to.from : null,
      to: to.kind === 'edge' ? to.to : null,
    })
  }, [])
  return (
    <div class="overview">
      <PageHead title="Service map">
        {it && it.services.length > 8 && <Find map={it} />}
        <div class="switch" role="group" aria-label="Show as">
          <button type="button" aria-pressed={!asTable} onClick={() => ask({ view: null })}>Map</button>
          <button type="button" aria-pressed={asTable} onClick={() => ask({ view: 'table' })}>Table</button>
        </div>
      </PageHead>
      {it === null
        ? connection.value.state === 'lost' ? <Empty title="Nothing was heard yet">Control does not answer; what is known is shown as soon as it does.</Empty> : mapFailed.value ? <Failed error={mapFailed.value} again={() => { void first() }} /> : <Loading text="Asking control for the map" />
        : it.services.filter((service) => service.kind !== 'outside').length === 0 ? <NoFleet /> : (
          <>
            <Summary map={it} />
            <div class={picked.kind === 'none' ? 'overview-body' : 'overview-body with-sheet'}>
              {asTable ? <Tables map={it} /> : <Stage map={it} picked={picked} onPick={onPick} />}
              {picked.kind === 'service' && (
                <Sheet key={picked.name} title={picked.name} onClose={() => onPick({ kind: 'none' })}>
                  <ServiceDetails name={picked.name} onEdge={(from, to) => onPick({ kind: 'edge', from, to })} />
                </Sheet>
              )}
              {picked.kind === 'edge' && (
                <Sheet key={`${picked.from}\n${picked.to}`} title={<>{picked.from} <span class="muted">to</span> {picked.to}</>} onClose={() => onPick({ kind: 'none' })}>
                  <EdgeDetails from={picked.from} to={picked.to} />
                </Sheet>
              )}
            </div>
            {!asTable && <Legend />}
          </>
        )}
    </div>
  )
}

/** In a large fleet nobody looks for a service with the eyes. */
function Find({ map: it }: { map: FleetMap }) {
  const find = (event: Event) => {
    event.preventDefault()
    const field = (event.currentTarget as HTMLElement).querySelector('input')
    const text = field?.value.trim().toLowerCase() ?? ''
    const names = it.services.map((one) => one.name)
    const name = names.find((one) => one.toLowerCase() === text) ?? names.find((one) => text !== '' && one.toLowerCase().includes(text))
    if (name) ask({ service: name, from: null, to: null })
  }
  return (
    <form role="search" class="find" onSubmit={find} onChange={find}>
      <input type="search" aria-label="Find a service" placeholder="Find a service" list="map-services" spellcheck={false} autocapitalize="none" />
      <datalist id="map-services">{it.services.map((one) => <option key={one.name} value={one.name} />)}</datalist>
    </form>
  )
}

function NoFleet() {
  return (
    <Empty title="No services yet">
      <p>The fleet file names none. Add one, then reload:</p>
      <pre><code>{'services:\n  orders:\n    run: [python3, orders.py]\n    listen: 127.0.0.1:9001\n    protocol: http'}</code></pre>
      <pre><code>bartizan reload</code></pre>
    </Empty>
  )
}

function Summary({ map: it }: { map: FleetMap }) {
  const services = it.services.filter((service) => service.kind === 'service' || service.kind === 'unguarded')
  const gateway = it.services.find((service) => service.kind === 'gateway')
  const away = it.services.filter((service) => service.attached === false && service.kind !== 'outside' && service.kind !== 'unguarded')
  const plain = it.edges.filter((edge) => edge.mtls === 'plain')
  const denied = it.edges.reduce((sum, edge) => sum + edge.denied_per_s, 0)
  const failed = it.edges.reduce((sum, edge) => sum + edge.failed_per_s, 0)
  const seen = it.edges.filter((edge) => edge.mtls !== 'unseen')
  const firing = it.services.reduce((sum, service) => sum + firingOf(service), 0)
  const drift = status.value?.drift
  return (
    <>
      <dl class="tiles">
        <Tile name="Services" value={count(services.length)} note={away.length === 0 ? 'all guards heard' : `${away.length} not heard`} tone={away.length ? 'failed' : ''} />
        <Tile name="Into the fleet" value={gateway ? `${rate(gateway.calls_per_s)}/s` : '–'} note={gateway ? 'at the gateway' : 'no gateway'} />
        <Tile name="Denied" value={`${rate(denied)}/s`} note="by policy" tone={denied > 0 ? 'deny' : ''} />
        <Tile name="Failed" value={`${rate(failed)}/s`} note="calls" tone={failed > 0 ? 'failed' : ''} />
        <Tile name="Mutual TLS" value={`${count(seen.length - plain.length)} of ${count(seen.length)}`} note="edges" tone={plain.length ? 'plain' : ''} />
        <Tile name="Alerts" value={count(firing)} note={firing ? <a href="/alerts">firing</a> : 'none firing'} tone={firing ? 'deny' : ''} />
      </dl>
      {drift && (
        <p class="banner banner-warn" role="status">
          Files on disk differ from what is in force (<When at={drift.since} />): {drift.what.join('; ')}
        </p>
      )}
    </>
  )
}

function Tile({ name, value, note, tone = '' }: { name: string; value: string; note: preact.ComponentChildren; tone?: string }) {
  return <div class={`tile${tone ? ` tile-${tone}` : ''}`}><dt>{name}</dt><dd><span class="tile-value">{value}</span> <span class="muted">{note}</span></dd></div>
}

function Legend() {
  return (
    <ul class="legend" aria-label="What the lines mean">
      <li><span class="line line-allow" aria-hidden="true" />allowed, mutual TLS</li>
      <li><span class="line line-deny" aria-hidden="true" /><Icon name="deny" size={12} />denies now</li>
      <li><span class="line line-failed" aria-hidden="true" /><Icon name="failed" size={12} />fails now</li>
      <li><span class="line line-plain" aria-hidden="true" /><Icon name="plain" size={12} />plain</li>
      <li><span class="line line-unseen" aria-hidden="true" />declared, no call seen</li>
    </ul>
  )
}

const TONES = { outside: 'outside', plain: 'no guard', away: 'not heard', deny: 'denies', failed: 'fails', allow: 'well' } as Record<string, string>

const SERVICES: Column<MapService>[] = [
  { name: 'Service', cell: (it) => <a href={at('/', { service: it.name, view: 'table' })}>{it.name}</a>, by: (it) => it.name, wide: true },
  {
    name: 'State', by: (it) => serviceTone(it), cell: (it) => {
      const tone = serviceTone(it)
      const shown = tone === 'away' ? 'failed' : tone === 'outside' ? 'quiet' : tone
      return <Badge tone={shown as 'allow'} icon={shown === 'quiet' ? 'right' : shown as 'allow'}>{TONES[tone]}</Badge>
    },
  },
  { name: 'Calls/s', number: true, cell: (it) => (it.kind === 'outside' ? '–' : rate(it.calls_per_s)), by: (it) => it.calls_per_s },
  { name: 'Denied/s', number: true, cell: (it) => (it.kind === 'outside' ? '–' : rate(it.denied_per_s)), by: (it) => it.denied_per_s },
  { name: 'Failed/s', number: true, cell: (it) => (it.kind === 'outside' ? '–' : rate(it.failed_per_s)), by: (it) => it.failed_per_s },
  { name: 'Guard adds', number: true, cell: (it) => micros(it.added_p99_us), by: (it) => it.added_p99_us ?? 0 },
  { name: 'Certificate ends', cell: (it) => <When at={it.svid_not_after} />, by: (it) => it.svid_not_after ?? 0 },
  { name: 'Owner', cell: (it) => it.owner ?? '–', by: (it) => it.owner ?? '' },
  { name: 'Data', cell: (it) => it.data?.join(', ') || '–' },
]

const EDGES: Column<MapEdge>[] = [
  { name: 'From', cell: (it) => it.from, by: (it) => it.from },
  { name: 'To', cell: (it) => <a href={at('/', { from: it.from, to: it.to, view: 'table' })}>{it.to}</a>, by: (it) => it.to },
  { name: 'Carried by', cell: (it) => <MtlsBadge mtls={it.mtls} />, by: (it) => it.mtls },
  { name: 'Calls/s', number: true, cell: (it) => rate(it.calls_per_s), by: (it) => it.calls_per_s },
  { name: 'Denied/s', number: true, cell: (it) => rate(it.denied_per_s), by: (it) => it.denied_per_s },
  { name: 'Failed/s', number: true, cell: (it) => rate(it.failed_per_s), by: (it) => it.failed_per_s },
  { name: 'Declared', cell: (it) => (it.declared ? 'yes' : <span class="text-failed">no</span>), by: (it) => Number(it.declared) },
]

function Tables({ map: it }: { map: FleetMap }) {
  return (
    <div class="tables">
      <h2>{plural(it.services.length, 'service')}</h2>
      <Table caption="Services" columns={SERVICES} rows={it.services} id={(row) => row.name} />
      <h2>{plural(it.edges.length, 'edge')}</h2>
      <Table caption="Edges" columns={EDGES} rows={it.edges} id={(row) => `${row.from}\n${row.to}`} />
    </div>
  )
}
