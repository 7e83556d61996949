// Objectives: each indicator with what it counts, how it stands, what is left of its budget and how fast that burns.

import type { Advice, BurnStatus, Candidate, Changes, IndicatorStatus, Indicators, Objective, ObjectivesStatus, PlaceStatus, Promotion } from '../api/types.ts'
import { at } from '../lib/address.ts'
import { count, of, percent, stretch } from '../lib/format.ts'
import { bads, goal, shares, windowOf } from '../lib/series.ts'
import { Badge, When } from '../parts/badges.tsx'
import { Chart } from '../parts/chart.tsx'
import { PageHead, Panel } from '../parts/panel.tsx'
import { Empty, NoSource, Shown } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { useLoad, type Loaded } from '../state/load.ts'
import { useChanges, useSeries } from '../state/series.ts'
import { ask, query } from '../state/router.ts'

const DAY_S = 86_400
const TIMES: [string, number][] = [['1h', 3600], ['24h', DAY_S], ['7d', 7 * DAY_S], ['30d', 30 * DAY_S]]

export function Objectives() {
  const indicators = useLoad<Indicators>('indicators', 15_000)
  const objectives = useLoad<ObjectivesStatus>('objectives')
  const chosen = query.value['indicator']
  const place = query.value['place'] ?? 'fleet'
  return (
    <>
      <PageHead title="Objectives">{place !== 'fleet' && <a class="button" href={at('/objectives', { indicator: chosen })}>Whole fleet</a>}</PageHead>
      <Shown loaded={indicators}>
        {(it) => {
          const one = it.indicators.find((indicator) => indicator.id === chosen)
          return (
            <>
              {place !== 'fleet' && <p class="subject">At <code>{place}</code></p>}
              {one && <One it={one} place={place} />}
              <All of={it} place={place} chosen={chosen ?? null} />
              {it.left_out > 0 && <p class="muted">{count(it.left_out)} tallies count for the fleet alone: there were too many places.</p>}
            </>
          )
        }}
      </Shown>
      {objectives.data?.promotion && <Locks of={objectives.data.promotion} />}
      {objectives.data && <Written of={objectives.data} />}
    </>
  )
}

const placeOf = (it: IndicatorStatus, place: string) => it.places.find((one) => one.place === place)

function All({ of: all, place, chosen }: { of: Indicators; place: string; chosen: string | null }) {
  return (
    <div class="cards">
      {all.indicators.map((it) => {
        const here = placeOf(it, place)
        const month = here && windowOf(here.windows, 30 * DAY_S)
        const alight = here?.burns.find((burn) => burn.alight)
        return (
          <article key={it.id} class={`indicator${chosen === it.id ? ' picked' : ''}${it.has_source ? '' : ' sourceless'}`}>
            <h2><a href={at('/objectives', { ...query.value, indicator: it.id })}><span class="muted">{it.id}</span> {it.title}</a></h2>
            {!it.has_source ? <NoSource>Nothing counts it by now.</NoSource> : !here ? <p class="muted">Nothing was counted here.</p> : (
              <>
                <p class="figure-large">{it.denominator === null ? count(month?.bad ?? 0) : percent(month?.share, 3)} <small class="muted">30 days</small></p>
                <p>
                  <Standing it={here} /> <span class="muted">asked for {here.target ?? it.target}</span>
                  {alight && <> <Badge tone="deny" icon="alerts">burns: {alight.urgency}</Badge></>}
                </p>
                {here.budget && <Budget it={here} />}
                {it.denominator === null && here.trend !== null && <p class="muted">Seven days by the seven before: {percent(here.trend, 0)}</p>}
              </>
            )}
          </article>
        )
      })}
    </div>
  )
}

function Standing({ it }: { it: PlaceStatus }) {
  if (it.standing === null) return <Badge tone="quiet" icon="unseen">nothing counted</Badge>
  return it.standing === 'met' ? <Badge tone="allow" icon="allow">met</Badge> : <Badge tone="deny" icon="deny">missed</Badge>
}

function Budget({ it }: { it: PlaceStatus }) {
  const left = it.budget?.left
  if (!it.budget || left === null || left === undefined) return <p class="muted">Budget: nothing counted.</p>
  const tone = left <= 0 ? 'deny' : left < 0.25 ? 'failed' : 'allow'
  return (
    <div class="budget">
      <span class="bar-track" aria-hidden="true"><span class={`bar bar-${tone}`} style={{ width: `${Math.max(0, Math.min(1, left)) * 100}%` }} /></span>
      <span>{left < 0 ? 'overdrawn' : <>{percent(left, 1)} of the budget left</>} <span class="muted">{count(it.budget.used)} of {it.budget.allowed < 10 ? it.budget.allowed.toFixed(1) : count(it.budget.allowed)} used</span></span>
    </div>
  )
}

function One({ it, place }: { it: IndicatorStatus; place: string }) {
  const [name, seconds] = TIMES.find(([word]) => word === query.value['last']) ?? TIMES[1] ?? ['24h', DAY_S]
  const here = placeOf(it, place)
  const changes = useChanges(seconds, 30_000)
  return (
    <div class="board board-one">
      <Panel
        title={`${it.id} ${it.title}`}
        id="indicator"
        wide
        note={<>Bad: {it.numerator}. {it.denominator ? `Of: ${it.denominator}.` : 'A count.'} Asked for: {here?.target ?? it.target}.</>}
        action={
          <div class="switch" role="group" aria-label="Time">
            {TIMES.map(([word]) => <button type="button" key={word} aria-pressed={word === name} onClick={() => ask({ last: word })}>{word}</button>)}
          </div>
        }
      >
        {!it.has_source ? <NoSource>Nothing counts {it.id} by now, so there is no number.</NoSource> : (
          <>
            <Course it={it} place={place} seconds={seconds} changes={changes} />
            {here && <Windows it={it} here={here} />}
            {here && here.burns.length > 0 && <Burns of={here.burns} />}
          </>
        )}
      </Panel>
      {it.has_source && <Places it={it} />}
      {it.has_source && <Advised indicator={it.id} place={place} />}
    </div>
  )
}

function Course({ it, place, seconds, changes }: { it: IndicatorStatus; place: string; seconds: number; changes: Loaded<Changes> }) {
  const series = useSeries(it.id, place, seconds, 15_000)
  const isCount = it.denominator === null
  return (
    <Shown loaded={series}>
      {(data) => (
        <Chart
          title={`${it.id} at ${place}`}
          times={data.points.map((point) => point.at)}
          lines={[isCount
            ? { name: `count in ${stretch(data.step_s * 1000)}`, tone: 'deny', values: bads(data.points), bars: true }
            : { name: it.is_success ? 'success' : 'share', tone: 'accent', values: shares(data.points, it.is_success) }]}
          changes={changes.data?.changes ?? []}
          goal={isCount ? null : goal(it)}
          format={isCount ? count : (value) => percent(value, 3)}
          zero={isCount || !it.is_success}
          height={220}
        />
      )}
    </Shown>
  )
}

const NAMES: Record<number, string> = { 3600: 'hour', [DAY_S]: 'day', [7 * DAY_S]: '7 days', [30 * DAY_S]: '30 days' }

function Windows({ it, here }: { it: IndicatorStatus; here: PlaceStatus }) {
  return (
    <table class="small">
      <caption>What was counted</caption>
      <thead><tr><th scope="col">Last</th><th scope="col" class="number">Bad</th><th scope="col" class="number">Share</th><th scope="col" class="number">95 % sure</th></tr></thead>
      <tbody>
        {here.windows.map((window) => (
          <tr key={window.seconds}>
            <td>{NAMES[window.seconds] ?? stretch(window.seconds * 1000)}</td>
            <td class="number">{it.denominator === null ? count(window.bad) : of(window.bad, window.all)}</td>
            <td class="number">{percent(window.share, 3)}</td>
            <td class="number">{window.interval ? `${percent(window.interval[0], 2)} to ${percent(window.interval[1], 2)}` : '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Burns({ of: burns }: { of: BurnStatus[] }) {
  return (
    <table class="small">
      <caption>How fast the budget burns</caption>
      <thead><tr><th scope="col">Windows</th><th scope="col" class="number">Burns</th><th scope="col" class="number">Told from</th><th scope="col">Urgency</th><th scope="col">State</th></tr></thead>
      <tbody>
        {burns.map((it) => (
          <tr key={it.long_s}>
            <td>{stretch(it.long_s * 1000)} and {stretch(it.short_s * 1000)}</td>
            <td class="number">{it.rate === null ? '–' : `${it.rate.toFixed(1)}×`}</td>
            <td class="number">{it.limit}×</td>
            <td>{it.urgency}</td>
            <td>{it.alight ? <Badge tone="deny" icon="alerts">alight</Badge> : <span class="muted">calm</span>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const places = (it: IndicatorStatus): Column<PlaceStatus>[] => {
  const month = (row: PlaceStatus) => windowOf(row.windows, 30 * DAY_S)
  return [
    { name: 'Place', wide: true, cell: (row) => <a href={at('/objectives', { indicator: it.id, place: row.place })}>{row.place}</a>, by: (row) => row.place },
    { name: 'Bad', number: true, cell: (row) => of(month(row)?.bad ?? 0, month(row)?.all ?? 0), by: (row) => month(row)?.bad ?? 0 },
    { name: 'Share', number: true, cell: (row) => percent(month(row)?.share, 3), by: (row) => month(row)?.share ?? 0 },
    { name: 'Budget left', number: true, cell: (row) => (row.budget ? percent(row.budget.left, 1) : '–'), by: (row) => row.budget?.left ?? 1 },
    { name: 'State', cell: (row) => <Standing it={row} />, by: (row) => row.standing ?? '' },
  ]
}

function Places({ it }: { it: IndicatorStatus }) {
  if (it.places.length < 2) return <Empty title="Counted at the fleet alone" />
  return (
    <Panel title="Where" id="places" wide note="The last 30 days, by service and edge">
      <Table caption={`${it.id} by place`} columns={places(it)} rows={it.places} id={(row) => row.place} first={{ column: 'Bad', down: true }} most={60} />
    </Panel>
  )
}

const WRITTEN: Column<Objective>[] = [
  { name: 'Indicator', cell: (it) => <a href={at('/objectives', { indicator: it.indicator, place: it.place })}>{it.indicator}</a>, by: (it) => it.indicator },
  { name: 'Place', cell: (it) => <span class="break">{it.place}</span>, by: (it) => it.place },
  { name: 'Asked for', cell: (it) => it.target, by: (it) => it.target },
  { name: 'Over', cell: (it) => stretch(it.window_s * 1000), by: (it) => it.window_s },
  { name: 'Locks', cell: (it) => (it.locks_promotion ? 'changes' : ''), by: (it) => String(it.locks_promotion ?? false) },
  { name: 'Owner', cell: (it) => it.owner, by: (it) => it.owner },
  { name: 'Until', cell: (it) => (it.counts ? <When at={it.expires} /> : <Badge tone="failed" icon="failed">over</Badge>), by: (it) => it.expires },
  { name: 'Why', wide: true, cell: (it) => it.why },
]

/** What keeps changes back, and whether somebody said that it does not count. */
function Locks({ of: it }: { of: Promotion }) {
  if (it.locks.length === 0) return null
  return (
    <p class="banner banner-warn" role="status">
      {it.locked ? 'Nothing new is put in force; what was before may be: ' : 'Changes are let through although '}
      {it.locks.map((lock) => lock.text).join('; ')}
      {it.overridden && <> (by {it.overridden.by}, until <When at={it.overridden.until} />: {it.overridden.why})</>}
    </p>
  )
}

/** What the file of objectives says, where there is one. */
function Written({ of: it }: { of: ObjectivesStatus }) {
  if (!it.file) return <p class="muted">No file of objectives: what is asked for everywhere counts.</p>
  return (
    <Panel title="As written" id="written" wide note={`From ${it.file}`}>
      {it.objectives.length === 0 ? <Empty title="It asks for nothing else than everywhere" /> : <Table caption="Objectives of the file" columns={WRITTEN} rows={it.objectives} id={(one) => `${one.indicator} ${one.place}`} />}
    </Panel>
  )
}

const CANDIDATES: Column<Candidate>[] = [
  { name: 'Target', cell: (it) => <>{it.target}{it.in_force && <> <Badge tone="info">in force</Badge></>}</> },
  { name: 'Pages', number: true, cell: (it) => count(it.pages), by: (it) => it.pages },
  { name: 'Tickets', number: true, cell: (it) => count(it.tickets), by: (it) => it.tickets },
  { name: 'Budget left', number: true, cell: (it) => percent(it.left, 1), by: (it) => it.left ?? 1 },
]

function Advised({ indicator, place }: { indicator: string; place: string }) {
  const advice = useLoad<Advice>(`objectives/advice?indicator=${encodeURIComponent(indicator)}&place=${encodeURIComponent(place)}`)
  const candidates = advice.data?.of.find((it) => it.indicator === indicator && it.place === place)?.candidates ?? []
  if (candidates.length === 0) return null
  return (
    <Panel title="Other targets" id="advice" wide note="How often each would have told somebody within what is kept">
      <Table caption="Other targets" columns={CANDIDATES} rows={candidates} id={(it) => it.target} />
    </Panel>
  )
}
