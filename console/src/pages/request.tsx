// One request: every hop with its time, as a waterfall, and the decision of each with the policies that made it.

import type { Explanation, Trace, TraceStep } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { micros, moment, plural, shortId } from '../lib/format.ts'
import { ours, reason, uid, upshot } from '../lib/record.ts'
import { waterfall } from '../lib/waterfall.ts'
import { Badge, UpshotBadge } from '../parts/badges.tsx'
import { PageHead, Panel } from '../parts/panel.tsx'
import { Empty, Shown } from '../parts/states.tsx'
import { useLoad } from '../state/load.ts'
import { ask, path, query } from '../state/router.ts'

export function Request() {
  const id = path.value.split('/')[2] ?? ''
  const trace = useLoad<Trace>(`trace/${id}`)
  const why = useLoad<Explanation>(`explain/${id}`)
  const onWhy = query.value['view'] === 'why'
  return (
    <>
      <PageHead title="Request">
        <div class="switch" role="group" aria-label="Show">
          <button type="button" aria-pressed={!onWhy} onClick={() => ask({ view: null })}>Waterfall</button>
          <button type="button" aria-pressed={onWhy} onClick={() => ask({ view: 'why' })}>Decisions</button>
        </div>
        <a class="button" href={at('/events', { request: id })}>Its events</a>
      </PageHead>
      <p class="subject"><code>{id}</code></p>
      {onWhy
        ? <Shown loaded={why}>{(it) => (it.hops.length === 0 ? <None /> : <Decisions of={it} />)}</Shown>
        : <Shown loaded={trace}>{(it) => (it.steps.length === 0 ? <None /> : <Waterfall of={it} />)}</Shown>}
    </>
  )
}

const None = () => <Empty title="Nothing is stored about this request">It may be too long ago, or its number is wrong.</Empty>

function Waterfall({ of: trace }: { of: Trace }) {
  const { rows, from, length_us } = waterfall(trace.steps)
  const denied = trace.steps.filter((it) => upshot(it.event) === 'denied').length
  return (
    <Panel title="Waterfall" wide note={`${plural(trace.steps.length, 'step')} in ${micros(length_us)}, begun ${moment(from)}${denied ? `; ${denied} denied` : ''}`}>
      <ol class="waterfall" aria-label="Hops in the order of the call">
        {rows.map(({ step, start, length, added }) => <Row key={uid(step.event)} step={step} start={start} length={length} added={added} />)}
      </ol>
      <ul class="legend">
        <li><span class="swatch swatch-call" aria-hidden="true" />the whole call</li>
        <li><span class="swatch swatch-added" aria-hidden="true" />the guard's own share</li>
      </ul>
    </Panel>
  )
}

function Row({ step, start, length, added }: { step: TraceStep; start: number; length: number; added: number }) {
  const it = ours(step.event)
  const how = upshot(step.event)
  const why = reason(step.event)
  const code = step.event.http_response?.code
  return (
    <li class={`wf-row wf-${how}`} data-depth={step.depth}>
      <div class="wf-name" style={{ paddingLeft: `${Math.min(step.depth, 8) * 14}px` }}>
        <a href={at('/', { service: step.service })}>{step.service ?? 'fleet'}</a>
        <span class="muted"> {step.seen_by}</span>
      </div>
      <div class="wf-what">
        <UpshotBadge upshot={how} />{' '}
        <a href={at('/events', { open: uid(step.event), at: String(step.at) })}>{step.event.http_request?.http_method} {step.event.http_request?.url?.path ?? step.event.message}</a>
        {code !== undefined && <span class="muted"> {code}</span>}
        {it.decision && (
          <span class="wf-decision">
            {it.decision === 'deny' ? 'denied' : 'allowed'}{it.policies && it.policies.length > 0 ? <> by <code>{it.policies.join(', ')}</code></> : ': nothing permits it'}
          </span>
        )}
        {how !== 'ok' && (why.text || why.code) && <div class="wf-reason">{[why.code, why.text].filter(Boolean).join(': ')}</div>}
      </div>
      <div class="wf-time">
        {step.took_us === null ? <span class="muted">–</span> : (
          <>
            <div class="wf-track" aria-hidden="true">
              <div class="wf-bar" style={{ left: `${start * 100}%`, width: `max(3px, ${length * 100}%)` }}>
                <div class="wf-added" style={{ width: `${added * 100}%` }} />
              </div>
            </div>
            <span class="wf-took">{micros(step.took_us)}{step.added_us !== null && <span class="muted"> guard {micros(step.added_us)}</span>}</span>
          </>
        )}
      </div>
    </li>
  )
}

function Decisions({ of: explanation }: { of: Explanation }) {
  return (
    <div class="stack">
      {explanation.hops.map((hop, index) => {
        const denied = hop.decision?.verdict === 'deny'
        return (
          <Panel
            key={index}
            id={`hop-${index}`}
            wide
            title={`${shortId(hop.from) === '–' ? (hop.seen_by === 'gateway' ? 'a client outside' : hop.service ?? 'somebody') : shortId(hop.from)} to ${hop.to ?? 'nobody'}`}
            note={`${hop.method} ${hop.path}${hop.route ? `, route ${hop.route}` : ''}${hop.action ? `, action ${hop.action}` : ''}; seen ${hop.seen_by} at ${hop.service ?? 'the fleet'}, ${moment(hop.at)}`}
          >
            {hop.decision === null
              ? <p class="muted">{hop.error ? `Refused before there was a decision: ${hop.error}.` : 'Nothing is decided on this side: the guard of the callee decides.'}</p>
              : (
                <>
                  <p>
                    <Badge tone={denied ? 'deny' : 'allow'} icon={denied ? 'deny' : 'allow'}>{denied ? 'denied' : 'allowed'}</Badge>{' '}
                    {hop.decision.reason ?? (denied && hop.decision.policies.length === 0 ? 'Nothing permits it.' : '')}
                    <span class="muted"> Policy epoch {hop.decision.epoch}, {hop.decision.epoch_is_current ? 'still in force' : 'no longer in force'}.</span>
                  </p>
                  <p>
                    {hop.decision.policies.map((name) => <a class="tag" key={name} href={at('/policies', { policy: name })}><code>{name}</code></a>)}
                  </p>
                  <pre class="record" tabIndex={0}>{hop.decision.lines.join('\n')}</pre>
                </>
              )}
          </Panel>
        )
      })}
    </div>
  )
}
