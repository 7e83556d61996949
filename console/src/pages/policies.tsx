// Policies: who can reach a service and whom it reaches, what allows each edge, which policies there are and who enforces them.

import { map, status } from '../api/live.ts'
import type { Changes, Policies as PoliciesStatus, PolicyStatus, Reach } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { plural } from '../lib/format.ts'
import { Permits } from '../map/details.tsx'
import { Badge, When } from '../parts/badges.tsx'
import { PageHead, Panel } from '../parts/panel.tsx'
import { Empty, Shown } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { useLoad } from '../state/load.ts'
import { useChanges } from '../state/series.ts'
import { ask, query } from '../state/router.ts'
import { ChangeLine } from './on-call.tsx'

export function Policies() {
  const service = query.value['service'] ?? ''
  const policies = useLoad<PoliciesStatus>('policies', 10_000)
  const changes = useChanges(7 * 86_400, 30_000)
  const names = (map.value?.services ?? []).filter((it) => it.kind === 'service' || it.kind === 'gateway').map((it) => it.name).sort()
  return (
    <>
      <PageHead title="Policies">
        {status.value && <span class="muted">Epoch {status.value.epochs['policies'] ?? '–'} in force, mode {status.value.mode}</span>}
      </PageHead>
      <form class="filters" role="search" onSubmit={(event) => { event.preventDefault(); ask({ service: String(new FormData(event.currentTarget).get('service') ?? '').trim(), policy: null }) }}>
        <div class="filter-row">
          <label class="grow">Who can reach<input key={service} name="service" list="policy-services" defaultValue={service} placeholder="a service" spellcheck={false} autocapitalize="none" /></label>
          <datalist id="policy-services">{names.map((it) => <option key={it} value={it} />)}</datalist>
          <button type="submit" class="primary">Show</button>
          {service && <a class="button" href="/policies">All policies</a>}
        </div>
      </form>
      {service && <ReachOf service={service} />}
      <div class="board board-one">
        <Panel title="Policies in force" id="policies" wide note="A guard counts as enforcing once it has acknowledged the epoch">
          <Shown loaded={policies}>{(it) => <List of={it} service={service} />}</Shown>
        </Panel>
        <Panel title="What changed" id="policy-changes" action={<a href={at('/changes', { kind: 'policy' })}>All changes</a>} note="Policies and configuration, the last seven days">
          <Shown loaded={changes}>{(it) => <Changed of={it} />}</Shown>
        </Panel>
      </div>
    </>
  )
}

function ReachOf({ service }: { service: string }) {
  const reach = useLoad<Reach>(`reach?service=${encodeURIComponent(service)}`)
  return (
    <Shown loaded={reach}>
      {(it) => (
        <div class="board">
          <Panel title={`Who can reach ${service}`} id="reach-in">
            {it.in.length === 0 ? <Empty title="Nobody">Every call to {service} is denied.</Empty> : (
              <ul class="plain-list rows">{it.in.map((one) => <li key={one.peer}><a href={at('/', { from: one.peer, to: service })}>{one.peer}</a><Permits of={one} /></li>)}</ul>
            )}
          </Panel>
          <Panel title={`Whom ${service} can reach`} id="reach-out">
            {it.out.length === 0 ? <Empty title="Nobody" /> : (
              <ul class="plain-list rows">{it.out.map((one) => <li key={one.peer}><a href={at('/', { from: service, to: one.peer })}>{one.peer}</a><Permits of={one} /></li>)}</ul>
            )}
          </Panel>
        </div>
      )}
    </Shown>
  )
}

const COLUMNS: Column<PolicyStatus>[] = [
  { name: 'Policy', wide: true, cell: (it) => <code class="break">{it.id}</code>, by: (it) => it.id },
  { name: 'Effect', cell: (it) => <Badge tone={it.permit ? 'allow' : 'deny'} icon={it.permit ? 'allow' : 'deny'}>{it.permit ? 'permit' : 'forbid'}</Badge>, by: (it) => Number(it.permit) },
  { name: 'Mode', cell: (it) => (it.shadow ? <span class="muted">{tried(it)}</span> : 'enforced'), by: (it) => Number(it.shadow ?? false) },
  { name: 'From', cell: (it) => (it.declared ? <span class="muted">declared call</span> : <code>{it.file}:{it.line}</code>), by: (it) => it.file },
  { name: 'Enforced by', number: true, cell: (it) => `${it.enforced_by.length} of ${it.enforced_by.length + it.missing.length}`, by: (it) => it.enforced_by.length },
  { name: 'Not yet', cell: (it) => (it.missing.length === 0 ? '–' : <span class="text-failed">{it.missing.join(', ')}</span>), by: (it) => it.missing.length },
]

/** What a policy in shadow would have decided otherwise. */
function tried(it: PolicyStatus): string {
  const count = (verdict: string) => (it.predicted ?? []).filter((one) => one.verdict === verdict).reduce((sum, one) => sum + one.calls, 0)
  const said = [['deny', 'denied'], ['allow', 'allowed']].map(([verdict, past]) => [count(verdict!), past] as const).filter(([calls]) => calls > 0)
  return said.length === 0 ? 'shadow' : `shadow, would have ${said.map(([calls, past]) => `${past} ${plural(calls, 'call')}`).join(', ')}`
}

function List({ of, service }: { of: PoliciesStatus; service: string }) {
  const wanted = query.value['policy']
  const rows = of.policies.filter((it) => (wanted ? it.id === wanted : !service || it.enforced_by.includes(service) || it.missing.includes(service)))
  const written = rows.filter((it) => !it.declared).length
  return (
    <>
      <p class="muted">
        {plural(rows.length, 'policy', 'policies')}{wanted ? <>; <a href="/policies">all of them</a></> : `, ${written} of them in files, the others from declared calls`}
      </p>
      {rows.length === 0 ? <Empty title={wanted ? 'No policy of this name is in force' : 'None'} /> : <Table caption="Policies in force" columns={COLUMNS} rows={rows} id={(it) => it.id} />}
    </>
  )
}

function Changed({ of }: { of: Changes }) {
  const those = of.changes.filter((it) => it.kind === 'policy' || it.kind === 'configuration' || it.kind === 'rollout')
  const last = those[0]
  if (!last) return <Empty title="Nothing changed" />
  return (
    <>
      <p class="muted">The last one <When at={last.at} />.</p>
      <ul class="plain-list rows">{those.slice(0, 12).map((it) => <li key={`${it.at}${it.what}${it.service}`}><ChangeLine it={it} /></li>)}</ul>
    </>
  )
}
