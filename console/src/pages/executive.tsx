// The board for those who answer for the risk: four panels, and nothing else. It prints on one page.

import { status } from '../api/live.ts'
import type { Changes, IndicatorStatus, Indicators, Series } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { count, moment, of, percent } from '../lib/format.ts'
import { goal, shares, windowOf } from '../lib/series.ts'
import { Badge, SeverityBadge, When } from '../parts/badges.tsx'
import { Chart } from '../parts/chart.tsx'
import { Icon } from '../parts/icons.tsx'
import { PageHead, Panel } from '../parts/panel.tsx'
import { NoSource, Shown } from '../parts/states.tsx'
import { now } from '../state/clock.ts'
import { printPage } from '../state/theme.ts'
import { useAlerts } from '../state/alerts.ts'
import { useLoad, type Loaded } from '../state/load.ts'
import { useChanges, useSeries } from '../state/series.ts'

const MONTH_S = 30 * 86_400
const EVERY_MS = 60_000

export function Executive() {
  const indicators = useLoad<Indicators>('indicators', EVERY_MS)
  const series = useSeries('M1', 'fleet', MONTH_S, EVERY_MS)
  const changes = useChanges(MONTH_S, EVERY_MS)
  return (
    <>
      <PageHead title="Executive board">
        <button type="button" class="with-icon no-print" onClick={printPage}><Icon name="print" size={14} />Print</button>
      </PageHead>
      <p class="muted">Fleet {status.value?.fleet ?? ''}, as of {moment(now.value)}.</p>
      <Shown loaded={indicators}>
        {(it) => {
          const find = (id: string) => it.indicators.find((one) => one.id === id)
          return (
            <div class="board board-two">
              <div class="stack">
                <Authentication it={find('M1')} series={series} changes={changes} />
                <Dependencies it={find('M5')} />
              </div>
              <div class="stack">
                <Incidents />
                <Times detect={find('M4')} remedy={find('M7')} />
              </div>
            </div>
          )
        }}
      </Shown>
    </>
  )
}

function Authentication({ it, series, changes }: { it: IndicatorStatus | undefined; series: Loaded<Series>; changes: Loaded<Changes> }) {
  const fleet = it?.places.find((place) => place.place === 'fleet')
  return (
    <Panel title="Authentication success" id="auth-success" action={<a href={at('/objectives', { indicator: 'M1' })}>Details</a>} note={it ? `M1: asked for ${it.target}` : undefined}>
      {!it?.has_source || !fleet ? <NoSource>Nothing counts M1 by now.</NoSource> : (
        <>
          <dl class="figures">
            {([[3600, 'last hour'], [7 * 86_400, '7 days'], [MONTH_S, '30 days']] as const).map(([seconds, name]) => {
              const window = windowOf(fleet.windows, seconds)
              return <div key={name}><dt>{name}</dt><dd>{percent(window?.share, 3)}<small class="muted">{window ? `${of(window.bad, window.all)} failed` : ''}</small></dd></div>
            })}
            <div><dt>objective</dt><dd>{fleet.standing === null ? '–' : <Badge tone={fleet.standing === 'met' ? 'allow' : 'deny'} icon={fleet.standing === 'met' ? 'allow' : 'deny'}>{fleet.standing}</Badge>}</dd></div>
          </dl>
          <Shown loaded={series}>
            {(data) => (
              <Chart
                title="Authentication success over 30 days"
                times={data.points.map((point) => point.at)}
                lines={[{ name: 'success', tone: 'accent', values: shares(data.points, it.is_success) }]}
                changes={changes.data?.changes ?? []}
                goal={goal(it)}
                format={(value) => percent(value, 3)}
              />
            )}
          </Shown>
        </>
      )}
    </Panel>
  )
}

function Incidents() {
  const alerts = useAlerts().data
  const firing = (alerts?.alerts ?? []).filter((it) => it.state === 'firing' && (it.severity === 'critical' || it.severity === 'high'))
  return (
    <Panel title="High-severity incidents" id="incidents" action={<a href={at('/alerts', { severity: 'critical,high' })}>Alerts</a>}>
      <NoSource>Alerts are not joined to incidents yet.</NoSource>
      {alerts !== null && (
        <>
          <h3>Alerts of high severity that fire: {count(firing.length)}</h3>
          <ul class="plain-list rows">
            {firing.slice(0, 6).map((it) => (
              <li key={it.id}>
                <SeverityBadge severity={it.severity} /> <a href={at('/alerts', { open: it.id })}>{it.title}</a>
                <span class="muted"> <When at={it.since} />, {it.owner ?? 'no owner'}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  )
}

function Dependencies({ it }: { it: IndicatorStatus | undefined }) {
  const fleet = it?.places.find((place) => place.place === 'fleet')
  const month = fleet && windowOf(fleet.windows, MONTH_S)
  return (
    <Panel title="Vulnerable dependencies" id="dependencies" note={it ? `M5: asked for ${it.target}` : undefined}>
      {it?.has_source && month ? <p class="figure-large">{percent(month.share)}</p> : <NoSource>Bills of materials and advisories are not read yet (M5).</NoSource>}
    </Panel>
  )
}

function Times({ detect, remedy }: { detect: IndicatorStatus | undefined; remedy: IndicatorStatus | undefined }) {
  return (
    <Panel title="Time to detect and to remedy" id="times">
      {[detect, remedy].map((it, index) => (
        <div key={index}>
          <h3>{it?.title ?? (index === 0 ? 'time to detect' : 'time to remedy')} <span class="muted">{it?.id}{it ? `, asked for ${it.target}` : ''}</span></h3>
          <NoSource>It is counted from incidents, which are not recorded yet.</NoSource>
        </div>
      ))}
    </Panel>
  )
}
