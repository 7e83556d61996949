// Alerts: what fires, what to do about it, who has it; what is muted and why; which rules there are.

import { useState } from 'preact/hooks'
import { me, post } from '../api/client.ts'
import { alerts as told } from '../api/live.ts'
import type { Alert, Alerts as AlertsStatus, Change } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { byPriority, byWhom } from '../lib/alerts.ts'
import { count, moment, plural } from '../lib/format.ts'
import { runbookHref } from '../lib/safe.ts'
import { Badge, SeverityBadge, When } from '../parts/badges.tsx'
import { Facts, PageHead, Panel, Sheet } from '../parts/panel.tsx'
import { Empty, Shown } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { useLoad, type Loaded } from '../state/load.ts'
import { ask, query } from '../state/router.ts'
import { ChangeLine } from './on-call.tsx'

const STATES = ['firing', 'pending', 'resolved']
const SEVERITIES = ['critical', 'high', 'medium', 'low']

const chosen = (text: string | undefined, known: string[]) => (text ?? '').split(',').filter((it) => known.includes(it))

export function Alerts() {
  const asked = useLoad<AlertsStatus>('alerts', 10_000)
  // What the stream told is newer, wherever both are there.
  const loaded: Loaded<AlertsStatus> = told.value && (!asked.data || told.value.now >= asked.data.now) ? { ...asked, data: told.value } : asked
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
                <Muted of={it} />
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
  const [ack, silence] = [byWhom(it.acknowledged_by), byWhom(it.silenced_by)]
  return (
    <article class={`alert alert-${it.severity}${open ? ' picked' : ''}${silence ? ' silenced' : ''}`}>
      <div class="alert-head">
        <SeverityBadge severity={it.severity} /><StateBadge it={it} /><Badge tone="quiet">{it.urgency}</Badge>
        <a class="alert-title" href={at('/alerts', { ...query.value, open: it.id })}>{it.title}</a>
        {href && <a class="runbook" href={href} rel="noreferrer">Runbook</a>}
      </div>
      {it.summary && <p>{it.summary}</p>}
      <p class="muted">
        since <When at={it.since} />{it.service ? <>, <a href={at('/', { service: it.service })}>{it.service}</a></> : ''}{it.owner ? `, owner ${it.owner}` : ''}
        {it.count && it.count > 1 ? `, ${count(it.count)} times` : ''}{ack ? `, acknowledged by ${ack}` : ''}{silence ? `, silenced by ${silence}` : ''}
      </p>
    </article>
  )
}

function Details({ it, done }: { it: Alert; done: () => void }) {
  const href = runbookHref(it.runbook)
  const changes = (it.changes ?? []) as (Change | string)[]
  return (
    <>
      <p class="alert-head"><SeverityBadge severity={it.severity} /><StateBadge it={it} /><Badge tone="quiet">{it.urgency}</Badge></p>
      {it.summary && <p>{it.summary}</p>}
      <Facts of={[
        ['Rule', <code>{it.rule}</code>],
        ['Since', <><When at={it.since} /> <span class="muted">{moment(it.since)}</span></>],
        ['Last', it.last ? <When at={it.last} /> : null],
        ['Times', it.count ?? null],
        ['Value', it.value ?? null],
        ['Limit', it.threshold ?? null],
        ['Service', it.service ? <a href={at('/', { service: it.service })}>{it.service}</a> : null],
        ['Owner', it.owner],
        ['Group', it.group],
        ['Runbook', href ? <a href={href} rel="noreferrer">{it.runbook}</a> : it.runbook],
        ['Acknowledged', byWhom(it.acknowledged_by)],
        ['Silenced', byWhom(it.silenced_by)],
      ]} />
      {changes.length > 0 && (
        <>
          <h3>What changed before it</h3>
          <ul class="plain-list rows">{changes.map((one, index) => <li key={index}>{typeof one === 'string' ? one : <ChangeLine it={one} />}</li>)}</ul>
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

function Answer({ it, done }: { it: Alert; done: () => void }) {
  const [said, setSaid] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const act = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const note = String(new FormData(form).get('note') ?? '')
    const what = event.submitter instanceof HTMLButtonElement ? event.submitter.value : 'acknowledge'
    setBusy(true)
    try {
      if (what === 'silence') await post('alerts/silence', { id: it.id, note, seconds: 7200 })
      else await post('alerts/acknowledge', { id: it.id, note })
      setSaid(what === 'silence' ? 'Silenced for two hours.' : 'Acknowledged.')
      done()
    } catch (error) {
      setSaid(`Not done: ${error instanceof Error ? error.message : String(error)}`)
    }
    setBusy(false)
  }
  return (
    <form class="answer" onSubmit={(event) => { void act(event) }}>
      <label>Note<input name="note" maxLength={200} /></label>
      <div class="filter-row">
        <button type="submit" name="do" value="acknowledge" class="primary" disabled={busy}>Acknowledge</button>
        <button type="submit" name="do" value="silence" disabled={busy}>Silence for 2 h</button>
        <span role="status">{said}</span>
      </div>
    </form>
  )
}

type Loose = Record<string, unknown>
const word = (it: Loose, ...names: string[]) => {
  for (const name of names) if (it[name] !== undefined && it[name] !== null) return typeof it[name] === 'object' ? JSON.stringify(it[name]) : String(it[name])
  return null
}

/** What does not call anybody, and why: nothing is kept quiet in silence. */
function Muted({ of }: { of: AlertsStatus }) {
  const muted = (of.muted ?? []) as Loose[]
  const windows = (of.windows ?? []) as Loose[]
  if (muted.length === 0 && windows.length === 0) return null
  return (
    <Panel title="Muted" id="muted" wide note="What fires and calls nobody, with the reason">
      <ul class="plain-list rows">
        {muted.map((it, index) => (
          <li key={`m${index}`}>
            <Badge tone="quiet" icon="unseen">muted</Badge> {word(it, 'title', 'rule', 'id', 'alert') ?? 'an alert'}
            <span class="muted"> {[word(it, 'service'), word(it, 'why', 'reason', 'cause'), word(it, 'by', 'source', 'inhibited_by') && `by ${word(it, 'by', 'source', 'inhibited_by')}`].filter(Boolean).join(', ')}</span>
            {typeof it['until'] === 'number' && <span class="muted"> until <When at={it['until']} /></span>}
          </li>
        ))}
        {windows.map((it, index) => (
          <li key={`w${index}`}>
            <Badge tone="info">maintenance</Badge> {word(it, 'name', 'title', 'why', 'reason', 'note', 'id') ?? 'a window'}
            <span class="muted"> {word(it, 'services', 'service', 'rules', 'matches')}</span>
            {typeof it['from'] === 'number' && <span class="muted"> from <When at={it['from']} /></span>}
            {typeof it['until'] === 'number' && <span class="muted"> until <When at={it['until']} /></span>}
          </li>
        ))}
      </ul>
    </Panel>
  )
}

const RULES: Column<Loose>[] = [
  { name: 'Rule', wide: true, cell: (it) => <>{word(it, 'title', 'name', 'id', 'rule')} <span class="muted">{word(it, 'id', 'name') === word(it, 'title', 'name', 'id', 'rule') ? '' : word(it, 'id', 'name')}</span></>, by: (it) => word(it, 'title', 'name', 'id') ?? '' },
  { name: 'Severity', cell: (it) => (word(it, 'severity') ? <SeverityBadge severity={word(it, 'severity') as Alert['severity']} /> : '–'), by: (it) => SEVERITIES.indexOf(word(it, 'severity') ?? '') },
  { name: 'Urgency', cell: (it) => word(it, 'urgency') ?? '–', by: (it) => word(it, 'urgency') ?? '' },
  { name: 'Owner', cell: (it) => word(it, 'owner') ?? '–', by: (it) => word(it, 'owner') ?? '' },
  { name: 'Runbook', cell: (it) => { const href = runbookHref(word(it, 'runbook')); return href ? <a href={href} rel="noreferrer">runbook</a> : word(it, 'runbook') ?? '–' } },
]

function Rules({ of }: { of: AlertsStatus }) {
  const rules = (of.rules ?? []) as Loose[]
  if (rules.length === 0) return null
  return (
    <Panel title="Rules" id="rules" wide note={`${plural(rules.length, 'rule')}, each with an owner and a runbook`}>
      <Table caption="Alert rules" columns={RULES} rows={rules} id={(it) => word(it, 'id', 'name', 'title') ?? JSON.stringify(it)} />
    </Panel>
  )
}
