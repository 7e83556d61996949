// Identities: what runs out and when, which guards hold what is in force, and which certificates were issued.

import { status } from '../api/live.ts'
import type { CaStatus, Expiry, ExpiryItem, Issued, IssuedList, ProxyStatus, Status } from '../api/types.ts'
import { forecast } from '../lib/expiry.ts'
import { count, moment, shortId } from '../lib/format.ts'
import { Badge, When } from '../parts/badges.tsx'
import { Facts, PageHead, Panel } from '../parts/panel.tsx'
import { Empty, Loading, Shown } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { now } from '../state/clock.ts'
import { useLoad } from '../state/load.ts'

export function Identities() {
  const expiry = useLoad<Expiry>('expiry', 10_000)
  const issued = useLoad<IssuedList>('ca/issued?limit=200', 30_000)
  const ca = useLoad<CaStatus>('ca', 30_000)
  return (
    <>
      <PageHead title="Identities" />
      <div class="board">
        <Panel title="What runs out" id="forecast" note="Certificates by the time that is left">
          <Shown loaded={expiry}>{(it) => <Forecast of={it} />}</Shown>
        </Panel>
        <Panel title="Epochs held" id="epochs" note="What guards enforce, by their own word">
          {status.value ? <Epochs of={status.value} /> : <Loading />}
        </Panel>
        <Panel title="Expiry" id="expiry" wide note="What runs out first stands first; who renews it, and what breaks where nobody does">
          <Shown loaded={expiry}>{(it) => (it.items.length === 0 ? <Empty title="Nothing runs out" /> : <Table caption="Expiry" columns={EXPIRY} rows={it.items} id={(row) => `${row.what} ${row.name}`} first={{ column: 'Runs out', down: false }} />)}</Shown>
        </Panel>
        <Panel title="Authority" id="authority">
          <Shown loaded={ca}>{(it) => <Authority of={it} />}</Shown>
        </Panel>
        <Panel title="Issued lately" id="issued">
          <Shown loaded={issued}>{(it) => (it.issued.length === 0 ? <Empty title="None" /> : <Table caption="Certificates issued lately" columns={ISSUED} rows={it.issued} id={(row) => row.serial} first={{ column: 'Issued', down: true }} most={50} />)}</Shown>
        </Panel>
      </div>
    </>
  )
}

function Forecast({ of }: { of: Expiry }) {
  const steps = forecast(of.items, of.now)
  const most = Math.max(1, ...steps.map((it) => it.items.length))
  const danger = of.items.filter((it) => it.in_danger)
  return (
    <>
      <p>{danger.length === 0 ? <Badge tone="allow" icon="allow">everything is renewed in time</Badge> : <Badge tone="deny" icon="alerts">{count(danger.length)} in danger</Badge>}</p>
      <ul class="histogram">
        {steps.map((it) => (
          <li key={it.name}>
            <span>{it.name}</span>
            <span class="bar-track" aria-hidden="true"><span class={`bar${it.items.some((one) => one.in_danger) ? ' bar-deny' : ''}`} style={{ width: `${100 * it.items.length / most}%` }} /></span>
            <b>{count(it.items.length)}</b>
            <span class="muted break">{it.items.slice(0, 3).map((one) => one.name).join(', ')}{it.items.length > 3 ? ', …' : ''}</span>
          </li>
        ))}
      </ul>
    </>
  )
}

const EXPIRY: Column<ExpiryItem>[] = [
  { name: 'What', cell: (it) => it.what, by: (it) => it.what },
  { name: 'Name', cell: (it) => <span class="break">{it.name}</span>, by: (it) => it.name },
  { name: 'Since', cell: (it) => <span title={moment(it.since)}><When at={it.since} /></span>, by: (it) => it.since },
  { name: 'Due', cell: (it) => (it.due === null ? '–' : <span title={moment(it.due)}><When at={it.due} /></span>), by: (it) => it.due ?? Number.MAX_SAFE_INTEGER },
  { name: 'Runs out', cell: (it) => <span title={moment(it.at)}><When at={it.at} /></span>, by: (it) => it.at },
  { name: 'State', cell: (it) => (it.in_danger ? <Badge tone="deny" icon="alerts">in danger</Badge> : it.at < now.value ? <Badge tone="deny" icon="deny">run out</Badge> : <Badge tone="allow" icon="allow">in time</Badge>), by: (it) => Number(!it.in_danger) },
  { name: 'Renewed by', cell: (it) => it.renewed_by },
  { name: 'Breaks otherwise', wide: true, cell: (it) => it.breaks },
]

function Epochs({ of }: { of: Status }) {
  const guards = of.proxies.filter((it) => it.attached || it.version)
  const behind = (proxy: ProxyStatus) => Object.entries(of.epochs).filter(([kind, epoch]) => proxy.held[kind] !== epoch).map(([kind]) => `${kind} ${proxy.held[kind] ?? '–'}`)
  const late = of.proxies.filter((it) => !it.attached || behind(it).length > 0)
  return (
    <>
      <table class="small">
        <caption class="hidden">Epochs in force</caption>
        <thead><tr><th scope="col">Kind</th><th scope="col" class="number">In force</th><th scope="col" class="number">Held by</th></tr></thead>
        <tbody>
          {Object.entries(of.epochs).map(([kind, epoch]) => {
            const held = guards.filter((it) => it.attached && it.held[kind] === epoch).length
            return (
              <tr key={kind}>
                <td>{kind}</td><td class="number">{epoch}</td>
                <td class="number">{held === of.proxies.length ? <span>{held} of {of.proxies.length}</span> : <b class="text-failed">{held} of {of.proxies.length}</b>}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
      {late.length > 0 && (
        <>
          <h3>Not there</h3>
          <ul class="plain-list rows">
            {late.slice(0, 20).map((it) => (
              <li key={`${it.service}${it.number}`}>
                {it.service}{it.number > 1 ? ` ${it.number}` : ''}{' '}
                <span class="muted">
                  {it.attached ? `holds ${behind(it).join(', ')}` : <>not attached{it.last_heard ? <>, heard <When at={it.last_heard} /></> : ''}</>}
                  {Object.entries(it.refused).map(([kind, why]) => `; refused ${kind}: ${why}`)}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  )
}

function Authority({ of }: { of: CaStatus }) {
  return (
    <>
      {of.roots.map((it) => (
        <Facts key={it.sha256} of={[['Root', <code class="break">{it.sha256}</code>], ['Until', <>{moment(it.not_after).slice(0, 10)} <span class="muted">(<When at={it.not_after} />)</span></>], ['Its key', of.root_key]]} />
      ))}
      {of.issuing && <Facts of={[['Issuing CA', <code class="break">{of.issuing.sha256}</code>], ['Until', <>{moment(of.issuing.not_after)} <span class="muted">(<When at={of.issuing.not_after} />)</span></>]]} />}
      {of.rotation != null && <><h3>A rotation is under way</h3><pre class="record" tabIndex={0}>{JSON.stringify(of.rotation, null, 2)}</pre></>}
    </>
  )
}

const ISSUED: Column<Issued>[] = [
  { name: 'Issued', cell: (it) => <When at={it.at} />, by: (it) => it.at },
  { name: 'For', cell: (it) => <span class="break">{shortId(it.id)}</span>, by: (it) => it.id, wide: true },
  { name: 'Kind', cell: (it) => it.kind, by: (it) => it.kind },
  { name: 'Ends', cell: (it) => <When at={it.not_after} />, by: (it) => it.not_after },
  { name: 'Node', cell: (it) => it.node ?? '–' },
  { name: 'Serial', cell: (it) => <code title={it.serial}>{it.serial.slice(0, 12)}…</code> },
]
