// What stands beside the map for a service or an edge: what allows it, what happened there, and where to go on.

import { map, recent, status } from '../api/live.ts'
import type { FleetMap, MapEdge, MapService, Ocsf, Reach, ReachEdge, ReachPolicy } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { count, micros, rate } from '../lib/format.ts'
import { ours, parties } from '../lib/record.ts'
import { Badge, MtlsBadge, When } from '../parts/badges.tsx'
import { Facts } from '../parts/panel.tsx'
import { Failed, Loading } from '../parts/states.tsx'
import { EventLine } from '../parts/event-line.tsx'
import { useLines } from '../state/lines.ts'
import { useLoad } from '../state/load.ts'
import { firingOf } from './stage.tsx'

function PolicyName({ of }: { of: ReachPolicy }) {
  return (
    <span class="policy-name">
      <a href={at('/policies', { policy: of.policy })}><code>{of.policy}</code></a>
      <span class="muted"> {of.file === 'fleet:calls' ? 'declared call' : `${of.file}:${of.line}`}</span>
      {of.routes.length > 0 && <span class="muted">, routes {of.routes.join(', ')}</span>}
    </span>
  )
}

/** What permits an edge, and what forbids parts of it. */
export function Permits({ of }: { of: ReachEdge }) {
  return (
    <ul class="plain-list">
      {of.policies.length === 0 && <li class="text-deny">Nothing permits it.</li>}
      {of.policies.map((it) => <li key={it.policy}><Badge tone="allow" icon="allow">permit</Badge> <PolicyName of={it} /></li>)}
      {of.forbidding.map((it) => <li key={it.policy}><Badge tone="deny" icon="deny">forbids part</Badge> <PolicyName of={it} /></li>)}
    </ul>
  )
}

export function ServiceDetails({ name, onEdge }: { name: string; onEdge: (from: string, to: string) => void }) {
  const fleet = map.value
  const it = fleet?.services.find((service) => service.name === name)
  const guarded = it?.kind === 'service' || it?.kind === 'gateway'
  if (!fleet || !it) return <p class="muted">No service of that name is on the map now.</p>
  return (
    <>
      <ServiceFacts it={it} />
      <Edges title="Called by" edges={fleet.edges.filter((edge) => edge.to === name)} other="from" onEdge={onEdge} />
      <Edges title="Calls" edges={fleet.edges.filter((edge) => edge.from === name)} other="to" onEdge={onEdge} />
      <Recent words={{ service: name }} fits={(record) => ours(record).service === name || ours(record).to === name} />
      <nav class="sheet-links" aria-label={`More of ${name}`}>
        <a href={at('/events', { service: name })}>Events</a>
        {guarded && <a href={at('/policies', { service: name })}>Who can reach it</a>}
        <a href={at('/objectives', { place: name })}>Objectives</a>
        <a href={at('/boards/debug', { q: name })}>Debug</a>
      </nav>
    </>
  )
}

function ServiceFacts({ it }: { it: MapService }) {
  const proxies = status.value?.proxies.filter((proxy) => proxy.service === it.name) ?? []
  const epochs = status.value?.epochs ?? {}
  const behind = proxies.filter((proxy) => Object.entries(epochs).some(([kind, epoch]) => proxy.held[kind] !== epoch))
  const refused = proxies.flatMap((proxy) => Object.entries(proxy.refused))
  const guard = it.kind === 'outside' ? null
    : it.kind === 'unguarded' ? <Badge tone="plain" icon="plain">no guard: called in plain, nobody is asked</Badge>
      : it.attached ? <Badge tone="allow" icon="allow">attached, {it.freshness ?? 'fresh'}</Badge>
        : <Badge tone="failed" icon="failed">not heard{it.freshness ? `, ${it.freshness}` : ''}</Badge>
  return (
    <Facts of={[
      ['Guard', guard],
      ['Owner', it.owner],
      ['Data', it.data?.join(', ')],
      ['Protocol', it.protocol],
      ['Instances', it.instances && it.instances > 1 ? count(it.instances) : null],
      ['Calls', `${rate(it.calls_per_s)}/s`],
      ['Denied', <span class={it.denied_per_s > 0 ? 'text-deny' : ''}>{rate(it.denied_per_s)}/s</span>],
      ['Failed', <span class={it.failed_per_s > 0 ? 'text-failed' : ''}>{rate(it.failed_per_s)}/s</span>],
      ['Guard adds (p99)', it.added_p99_us ? micros(it.added_p99_us) : null],
      ['Certificate ends', it.svid_not_after ? <When at={it.svid_not_after} /> : null],
      ['Epochs', proxies.length === 0 ? null : behind.length === 0 ? 'holds what is in force' : `${behind.length} of ${proxies.length} not at the epochs in force`],
      ['Refused', refused.length === 0 ? null : refused.map(([kind, why]) => `${kind}: ${why}`).join('; ')],
      ['Alerts', firingOf(it) ? <a href={at('/alerts', { service: it.name })}>{count(firingOf(it))} firing</a> : null],
    ]} />
  )
}

function Edges({ title, edges, other, onEdge }: { title: string; edges: MapEdge[]; other: 'from' | 'to'; onEdge: (from: string, to: string) => void }) {
  if (edges.length === 0) return null
  return (
    <section>
      <h3>{title}</h3>
      <ul class="edge-list">
        {edges.map((edge) => (
          <li key={edge[other]}>
            <button type="button" class="plain" onClick={() => onEdge(edge.from, edge.to)}>{edge[other]}</button>
            <span class="muted">{rate(edge.calls_per_s)}/s</span>
            {edge.denied_per_s > 0 && <span class="text-deny">{rate(edge.denied_per_s)} denied</span>}
            {!edge.declared && <span class="text-failed">not declared</span>}
            <MtlsBadge mtls={edge.mtls} />
          </li>
        ))}
      </ul>
    </section>
  )
}

export function EdgeDetails({ from, to }: { from: string; to: string }) {
  const fleet = map.value as FleetMap | null
  const edge = fleet?.edges.find((it) => it.from === from && it.to === to)
  const reach = useLoad<Reach>(from === 'outside' ? null : `reach?service=${encodeURIComponent(to)}`)
  const allowed = reach.data?.in.find((it) => it.peer === from)
  return (
    <>
      {edge
        ? (
          <Facts of={[
            ['Calls', `${rate(edge.calls_per_s)}/s, ${count(edge.calls)} in all`],
            ['Denied', <span class={edge.denied_per_s > 0 ? 'text-deny' : ''}>{rate(edge.denied_per_s)}/s, {count(edge.denied)} in all</span>],
            ['Failed', <span class={edge.failed_per_s > 0 ? 'text-failed' : ''}>{rate(edge.failed_per_s)}/s, {count(edge.failed)} in all</span>],
            ['Carried by', <MtlsBadge mtls={edge.mtls} />],
            ['Key exchange', edge.group],
            ['Cipher', edge.suite],
            ['Last call', edge.last ? <When at={edge.last} /> : null],
            ['Declared', edge.declared ? 'in the fleet file' : <span class="text-failed">no: it is not in the fleet file</span>],
          ]} />
        )
        : <p class="muted">Nothing is known of calls from {from} to {to}.</p>}
      <section>
        <h3>What allows it</h3>
        {from === 'outside'
          ? <p class="muted">Clients outside have no identity here: the routes of the gateway say what they may ask for.</p>
          : reach.data === null
            ? reach.error ? <Failed error={reach.error} again={reach.again} /> : <Loading />
            : allowed ? <Permits of={allowed} /> : <p>Nothing. A call from {from} to {to} is denied.</p>}
      </section>
      <Recent words={{ service: to, ...from === 'outside' ? {} : { identity: from } }} fits={(record) => {
        const it = parties(record)
        return from === 'outside' ? ours(record).service === to && ours(record).seen_by === 'gateway' : it.to === to && it.from === from
      }} />
      <nav class="sheet-links" aria-label="More of this edge">
        <a href={at('/events', { service: to, identity: from === 'outside' ? null : from })}>Events</a>
        <a href={at('/events', { service: to, identity: from === 'outside' ? null : from, outcome: 'denied' })}>Denied</a>
        <a href={at('/policies', { service: to })}>Who can reach {to}</a>
        <a href={at('/objectives', { place: `${from} -> ${to}` })}>Objectives</a>
      </nav>
    </>
  )
}

/** What happened there lately: what was told while this page is open, before that what is stored. */
function Recent({ words, fits }: { words: Record<string, string>; fits: (record: Ocsf) => boolean }) {
  const stored = useLines<Ocsf>(`events?${new URLSearchParams({ ...words, limit: '8' })}`)
  const told = recent.value.filter(fits)
  const known = new Set(told.map((it) => it.metadata?.uid))
  const rows = [...told, ...(stored.lines ?? []).filter((it) => !known.has(it.metadata?.uid))].slice(0, 8)
  return (
    <section>
      <h3>Recent events</h3>
      {rows.length === 0
        ? stored.lines === null && !stored.error ? <Loading /> : <p class="muted">{stored.error?.status === 403 ? 'Your role may not read events.' : 'None.'}</p>
        : <ul class="event-lines">{rows.map((it) => <li key={it.metadata?.uid}><EventLine record={it} /></li>)}</ul>}
    </section>
  )
}
