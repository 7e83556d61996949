// Alerts: what fires, what to do about it, who has it; what is muted and why; which rules there are.

import { useState } from 'preact/hooks'
import { me, post } from '../api/client.ts'
import type { Alert, Alerts as AlertsStatus, Called, ChangeNote, EscalationLevel, OnCall, QuietWindow, RouteStatus, Rule, Shift } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { beyond, byPriority, matchers, measured } from '../lib/alerts.ts'
import { count, moment, plural, stretch } from '../lib/format.ts'
import { runbookHref } from '../lib/safe.ts'
import { Badge, SeverityBadge, When } from '../parts/badges.tsx'
import { Facts, PageHead, Panel, Sheet } from '../parts/panel.tsx'
import { Empty, Shown } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { useAlerts } from '../state/alerts.ts'
import { useLoad } from '../state/load.ts'
import { ask, query } from '../state/router.ts'
import { changeHref } from '../parts/chart.tsx'

const STATES = ['firing', 'pending', 'resolved']
const SEVERITIES = ['critical', 'high', 'medium', 'low']

const chosen = (text: string | undefined, known: string[]) => (text ?? '').split(',').filter((it) => known.includes(it))

export function Alerts() {
  const loaded = useAlerts()
  const [states, severities] = [chosen(query.value['state'], STATES), chosen(query.value['severity'], SEVERITIES)]
  const service = query.value['service'] ?? ''
  const flip = (name: string, those: string[], it: string) => ask({ [name]: (those.includes(it) ? those.filter((one) => one !== it) : [...those, it]).join(',') })
  const open = query.value['open']
  return (
    <>
      <PageHead title="Alerts"><a class="button" href="/runbooks">Runbooks</a></PageHead>
      <div class="filters">
        <div class="filter-row">
          <div class="chips" role="group" aria-label="State">{STATES.map((it) => <button type="button" key={it} class="chip" aria-pressed={states.includes(it)} onClick={() => flip('state', states, it)}>{it}</button>)}</div>
          <div class="chips" role="group" aria-label="Severity">{SEVERITIES.map((it) => <button type="button" key={it} class="chip" aria-pressed={severities.includes(it)} onClick={() => flip('severity', severities, it)}>{it}</button>)}</div>
          {service && <button type="button" class="chip" aria-pressed="true" onClick={() => ask({ service: null })}>service {service}</button>}
        </div>
      </div>
      <Shown loaded={loaded}>
        {(it) => {
          const rows = byPriority(it.alerts).filter((one) =>
            (states.length === 0 || states.includes(one.state)) && (severities.length === 0 || severities.includes(one.severity)) && (!service || one.service === service))
          const opened = open ? it.alerts.find((one) => one.id === open) : undefined
          return (
            <div class={open ? 'with-sheet' : ''}>
              <div class="stack">
                {rows.length === 0 ? <Empty title="Nothing fires">{it.rules ? `${plural(it.rules.length, 'rule')} watch.` : null}</Empty> : <List rows={rows} open={open ?? null} />}
                {it.left_out ? <p class="banner banner-warn">{count(it.left_out)} alerts could not be remembered: there were too many.</p> : null}
                <Muted of={it} done={loaded.again} />
                <WhoIsOnCall />
                <Routes of={it} />
                <Rules of={it} />
              </div>
              {open && (
                <Sheet key={open} title={opened?.title ?? 'Alert'} onClose={() => ask({ open: null })}>
                  {opened ? <Details it={opened} done={loaded.again} /> : <p class="muted">This alert is not there any more.</p>}
                </Sheet>
              )}
            </div>
          )
        }}
      </Shown>
    </>
  )
}

const grouped = (it: Alert) => it.group ?? ''

function List({ rows, open }: { rows: Alert[]; open: string | null }) {
  const groups: [string, Alert[]][] = []
  for (const it of rows) {
    const last = groups.find(([name]) => name !== '' && name === grouped(it))
    if (last) last[1].push(it)
    else groups.push([grouped(it), [it]])
  }
  return (
    <ol class="alert-list" aria-label="Alerts, worst first">
      {groups.map(([name, those]) => (
        <li key={those[0]?.id}>
          {those.length > 1 && <p class="group-name muted">{name}: {those.length} together</p>}
          {those.map((it) => <Row key={it.id} it={it} open={it.id === open} />)}
        </li>
      ))}
    </ol>
  )
}

function StateBadge({ it }: { it: Alert }) {
  if (it.state === 'firing') return <Badge tone="deny" icon="alerts">firing</Badge>
  return it.state === 'pending' ? <Badge tone="failed" icon="failed">pending</Badge> : <Badge tone="allow" icon="allow">resolved</Badge>
}

function Row({ it, open }: { it: Alert; open: boolean }) {
  const href = runbookHref(it.runbook)
  const [ack, silence] = [it.acknowledged_by, it.silenced_by]
  return (
    <article class={`alert alert-${it.severity}${open ? ' picked' : ''}${silence ? ' silenced' : ''}`}>
      <div class="alert-head">
        <SeverityBadge severity={it.severity} /><StateBadge it={it} /><Badge tone="quiet">{it.urgency}</Badge>
        <a class="alert-title" href={at('/alerts', { ...query.value, open: it.id })}>{it.title}</a>
        {href && <a class="runbook" href={href} rel="noreferrer">Runbook</a>}
      </div>
      {beyond(it.title, it.summary) && <p>{beyond(it.title, it.summary)}</p>}
      <p class="muted">
        since <When at={it.since} />{it.service ? <>, <a href={at('/', { service: it.service })}>{it.service}</a></> : ''}{it.owner ? `, owner ${it.owner}` : ''}
        {it.count && it.count > 1 ? `, ${count(it.count)} times` : ''}{ack ? `, acknowledged by ${ack}` : ''}{silence ? `, quiet: ${silence}` : ''}
      </p>
    </article>
  )
}

function Details({ it, done }: { it: Alert; done: () => void }) {
  const href = runbookHref(it.runbook)
  const changes = it.changes ?? []
  return (
    <>
      <p class="alert-head"><SeverityBadge severity={it.severity} /><StateBadge it={it} /><Badge tone="quiet">{it.urgency}</Badge></p>
      {beyond(it.title, it.summary) && <p>{beyond(it.title, it.summary)}</p>}
      <Facts of={[
        ['Rule', <code>{it.rule}</code>],
        ['Since', <><When at={it.since} /> <span class="muted">{moment(it.since)}</span></>],
        ['Last', it.last ? <When at={it.last} /> : null],
        ['Times', it.count ?? null],
        ['Value', measured(it.value)],
        ['Limit', measured(it.threshold)],
        ['Ended', it.ended ? <When at={it.ended} /> : null],
        ['Place', it.place && it.place !== it.service ? it.place : null],
        ['Service', it.service ? <a href={at('/', { service: it.service })}>{it.service}</a> : null],
        ['Owner', it.owner],
        ['Incident', it.group],
        ['Runbook', href ? <a href={href} rel="noreferrer">{it.runbook}</a> : it.runbook],
        ['Called', (it.called ?? []).map((one) => <span class="tag" key={one.level}>{told(one)}</span>)],
        ['Acknowledged', it.acknowledged_by],
        ['Note', it.note],
        ['Quiet', it.silenced_by],
        ['Labels', Object.entries(it.labels ?? {}).map(([name, value]) => <span class="tag" key={name}>{name}: {value}</span>)],
      ]} />
      {it.after_change && <p class="banner banner-warn">It began shortly after a change: {it.after_change.kind}: {it.after_change.what}, <When at={it.after_change.at} />.</p>}
      {changes.length > 0 && (
        <>
          <h3>What changed before it</h3>
          <ul class="plain-list rows">{changes.map((one, index) => <li key={index}><NoteLine it={one} /></li>)}</ul>
        </>
      )}
      <nav class="sheet-links" aria-label="More of this alert">
        {it.service && <a href={at('/events', { service: it.service, outcome: 'denied,failed', from: String(it.since - 300_000), to: String((it.last ?? it.since) + 300_000) })}>Events around it</a>}
        {it.service && <a href={at('/boards/debug', { q: it.service })}>Debug {it.service}</a>}
        <a href={at('/changes', { last: '24h' })}>Changes</a>
      </nav>
      {me.value?.role === 'viewer' ? <p class="muted">Operators acknowledge and silence.</p> : it.state !== 'resolved' && <Answer it={it} done={done} />}
    </>
  )
}

function NoteLine({ it }: { it: ChangeNote }) {
  return (
    <>
      <Badge tone={it.kind === 'policy' ? 'info' : 'quiet'}>{it.kind}</Badge> <a href={changeHref({ at: it.at, event: null })}>{it.what}</a>
      <span class="muted"> <When at={it.at} />{it.service ? `, ${it.service}` : ''}</span>
    </>
  )
}

const TWO_HOURS_S = 7_200

function Answer({ it, done }: { it: Alert; done: () => void }) {
  const [said, setSaid] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const act = async (event: SubmitEvent) => {
    event.preventDefault()
    const note = String(new FormData(event.currentTarget as HTMLFormElement).get('note') ?? '').trim()
    const silence = event.submitter instanceof HTMLButtonElement && event.submitter.value === 'silence'
    if (silence && note === '') {
      setSaid('Say why nobody is to be told.')
      return
    }
    setBusy(true)
    try {
      if (silence) await post('alerts/silence', { services: it.service ? [it.service] : [], rule: it.rule, for_s: TWO_HOURS_S, why: note })
      else await post('alerts/acknowledge', { id: it.id, ...note ? { note } : {} })
      setSaid(silence ? 'Quiet for two hours.' : 'Acknowledged.')
      done()
    } catch (error) {
      setSaid(`Not done: ${error instanceof Error ? error.message : String(error)}`)
    }
    setBusy(false)
  }
  return (
    <form class="answer" onSubmit={(event) => { void act(event) }}>
      <label>Note, or why nobody is to be told<input name="note" maxLength={200} /></label>
      <div class="filter-row">
        <button type="submit" name="do" value="acknowledge" class="primary" disabled={busy}>Acknowledge</button>
        <button type="submit" name="do" value="silence" disabled={busy}>Silence for 2 h</button>
        <span role="status">{said}</span>
      </div>
    </form>
  )
}

/** What does not call anybody, and why: nothing is kept quiet in silence. */
function Muted({ of, done }: { of: AlertsStatus; done: () => void }) {
  const [muted, windows] = [of.muted ?? [], of.windows ?? []]
  if (muted.length === 0 && windows.length === 0) return null
  return (
    <Panel title="Muted" id="muted" wide note="What fires and calls nobody, with the reason; when nobody is paged">
      <ul class="plain-list rows">
        {muted.map((it) => (
          <li key={it.id}>
            <Badge tone="quiet" icon="unseen">muted</Badge> <a href={at('/alerts', { open: it.id })}>{it.rule}</a>
            <span class="muted"> {it.service ? `${it.service}: ` : ''}{it.reason}</span>
          </li>
        ))}
        {windows.map((it) => <li key={it.id}><Quiet it={it} done={done} /></li>)}
      </ul>
    </Panel>
  )
}

function Quiet({ it, done }: { it: QuietWindow; done: () => void }) {
  const [wrong, setWrong] = useState<string | null>(null)
  const ofFile = it.id.startsWith('fleet-file')
  const end = async () => {
    try {
      await post('alerts/silence/end', { id: it.id })
      done()
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <>
      <Badge tone={it.active === false ? 'quiet' : 'info'}>{ofFile ? 'maintenance' : 'silence'}</Badge> {it.why}
      <span class="muted"> {matchers(it.matchers)}; {it.pages_only ? 'tickets go on' : 'nobody is told'}, by {it.by}, from <When at={it.from} /> until <When at={it.until} /></span>
      {!ofFile && me.value?.role !== 'viewer' && <> <button type="button" class="plain" onClick={() => { void end() }}>End it</button></>}
      {wrong && <span class="text-deny" role="alert"> {wrong}</span>}
    </>
  )
}

const told = (it: Called | EscalationLevel) => (it.who && it.rotation ? `${it.who} (${it.rotation})` : it.routes.join(', '))

/** A hand-over is shown within this time. */
const ON_CALL_EVERY_MS = 30_000

/** Whose turn it is, and who is told of what; nothing where the fleet file says nothing of it. */
function WhoIsOnCall() {
  const { data } = useLoad<OnCall>('alerts/on-call', ON_CALL_EVERY_MS)
  if (!data || (data.rotations.length === 0 && data.escalations.length === 0)) return null
  return (
    <Panel title="Who is on call" id="who-is-on-call" wide>
      <ul class="plain-list rows">
        {data.rotations.map(({ name, shifts: [now, next] }) => now && (
          <li key={name}>
            <Badge tone="quiet">{name}</Badge> <b>{turn(now)}</b>
            <span class="muted"> until <When at={now.until} />{next ? `, then ${turn(next)}` : ''}</span>
          </li>
        ))}
        {data.escalations.map((it) => (
          <li key={`escalation ${it.name}`}>
            <Badge tone="info">{it.name}</Badge> {it.levels.map((one) => (one.level === 1 ? told(one) : `${told(one)} after ${stretch(one.after_s * 1000)}`)).join(', ')}
            <span class="muted"> takes {it.takes}</span>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

const turn = (it: Shift) => (it.is_override ? `${it.who} (override)` : it.who)

const RULES: Column<Rule>[] = [
  { name: 'Rule', wide: true, cell: (it) => <><b>{it.name}</b> <span class="muted">{it.summary}</span></>, by: (it) => it.name },
  { name: 'Severity', cell: (it) => <SeverityBadge severity={it.severity} />, by: (it) => SEVERITIES.indexOf(it.severity) },
  { name: 'Urgency', cell: (it) => it.urgency, by: (it) => it.urgency },
  { name: 'Owner', cell: (it) => it.owner, by: (it) => it.owner },
  { name: 'From', cell: (it) => <span class="muted break">{it.place ?? '–'}</span>, by: (it) => it.place ?? '' },
  { name: 'Runbook', cell: (it) => { const href = runbookHref(it.runbook); return href ? <a href={href} rel="noreferrer">runbook</a> : it.runbook } },
]

function Rules({ of }: { of: AlertsStatus }) {
  const rules = of.rules ?? []
  if (rules.length === 0) return null
  return (
    <Panel title="Rules" id="rules" wide note={`${plural(rules.length, 'rule')}, each with an owner and a runbook`}>
      <Table caption="Alert rules" columns={RULES} rows={rules} id={(it) => it.name} />
    </Panel>
  )
}

const ROUTES: Column<RouteStatus>[] = [
  { name: 'Route', cell: (it) => it.name, by: (it) => it.name },
  { name: 'Sent', number: true, cell: (it) => count(it.sent), by: (it) => it.sent },
  { name: 'Failed', number: true, cell: (it) => (it.failed > 0 ? <b class="text-deny">{count(it.failed)}</b> : '0'), by: (it) => it.failed },
  { name: 'Waiting', number: true, cell: (it) => count(it.waiting), by: (it) => it.waiting },
  { name: 'Last failure', wide: true, cell: (it) => it.why ?? '–' },
]

function Routes({ of }: { of: AlertsStatus }) {
  const routes = of.routes ?? []
  if (routes.length === 0) return null
  return (
    <Panel title="Where alerts go" id="routes" wide>
      <Table caption="Routes of alerts" columns={ROUTES} rows={routes} id={(it) => it.name} />
    </Panel>
  )
}
