// What changed: deploys, policies, configuration, certificates, administrators and rollouts in one line of time.

import type { Change, Changes, Ocsf } from '../api/types.ts'
import { useState } from 'preact/hooks'
import { get } from '../api/client.ts'
import { parseStretch } from '../lib/address.ts'
import { newestFirst } from '../lib/changes.ts'
import { moment } from '../lib/format.ts'
import { uid } from '../lib/record.ts'
import { Badge, When } from '../parts/badges.tsx'
import { changeHref } from '../parts/chart.tsx'
import { EventDetails } from '../parts/event-line.tsx'
import { PageHead, Sheet } from '../parts/panel.tsx'
import { Empty, Failed, Loading, Shown } from '../parts/states.tsx'
import { controlNow } from '../state/clock.ts'
import { useLines } from '../state/lines.ts'
import { useChanges } from '../state/series.ts'
import { ask, query } from '../state/router.ts'
import { TakeBack } from './on-call.tsx'

const KINDS = ['policy', 'configuration', 'certificate', 'deploy', 'administrator', 'rollout'] as const
const TIMES = ['1h', '6h', '24h', '7d', '30d']
const SECOND_MS = 1000

export function Timeline() {
  const kinds = (query.value['kind'] ?? '').split(',').filter((it) => (KINDS as readonly string[]).includes(it))
  const last = TIMES.includes(query.value['last'] ?? '') ? query.value['last'] ?? '7d' : '7d'
  const changes = useChanges((parseStretch(last) ?? 0) / SECOND_MS, 10_000, 500)
  const time = Number(query.value['at'])
  const older = useOlder(last)
  const more = older.until === undefined ? changes.data?.next_until_ms ?? null : older.until
  const flip = (it: string) => ask({ kind: (kinds.includes(it) ? kinds.filter((one) => one !== it) : [...kinds, it]).join(',') })
  return (
    <>
      <PageHead title="Changes" />
      <div class="filters">
        <div class="filter-row">
          <label>Time<select value={last} onChange={(event) => ask({ last: event.currentTarget.value })}>{TIMES.map((it) => <option key={it} value={it}>last {it}</option>)}</select></label>
          <div class="chips" role="group" aria-label="Kind">
            {KINDS.map((it) => <button key={it} type="button" class="chip" aria-pressed={kinds.includes(it)} onClick={() => flip(it)}>{it}</button>)}
          </div>
        </div>
        <TakeBack />
      </div>
      <div class={query.value['at'] ? 'with-sheet' : ''}>
        <Shown loaded={changes}>
          {(it) => {
            const those = [...it.changes, ...older.lines].filter((one) => kinds.length === 0 || kinds.includes(one.kind))
            return those.length === 0 ? <Empty title="Nothing changed">In the last {last}{kinds.length > 0 ? `, of ${kinds.join(', ')}` : ''}.</Empty> : <><Days of={those} open={time} />{more !== null && <p class="more"><button type="button" onClick={() => { void older.next(more) }}>Older</button></p>}</>
          }}
        </Shown>
        {query.value['at'] && (
          <Sheet key={`${time}${query.value['event']}`} title="Change" onClose={() => ask({ at: null, event: null })}>
            <Opened time={time} event={query.value['event'] ?? null} change={changes.data?.changes.find((it) => it.at === time && (!query.value['event'] || it.event === query.value['event'])) ?? null} />
          </Sheet>
        )}
      </div>
    </>
  )
}

/** Changes before the page that is kept up to date; `until` is where those before them begin, `null` where there are none. */
function useOlder(last: string) {
  const [it, set] = useState<{ last: string; lines: Change[]; until: number | null | undefined }>({ last, lines: [], until: undefined })
  const mine = it.last === last ? it : { last, lines: [], until: undefined }
  const next = async (until: number) => {
    const since = Math.floor(controlNow() - (parseStretch(last) ?? 0))
    const page = await get<Changes>(`changes?since_ms=${since}&until_ms=${until}&limit=500`).catch(() => null)
    if (page) set({ last, lines: [...mine.lines, ...newestFirst(page.changes)], until: page.next_until_ms ?? null })
  }
  return { ...mine, next }
}

function Days({ of: changes, open }: { of: Change[]; open: number }) {
  const days = grouped(changes)
  return (
    <div class="timeline">
      {[...days].map(([day, those]) => (
        <section key={day}>
          <h2>{day}</h2>
          <ol class="plain-list">
            {those.map((it, index) => (
              <li key={`${it.at}${it.what}${index}`} class={`change${it.at === open ? ' picked' : ''}`}>
                <span class="change-time">{moment(it.at).slice(11)}</span>
                <Badge tone={it.kind === 'policy' ? 'info' : 'quiet'}>{it.kind}</Badge>
                <span class="change-what"><a href={changeHref(it)}>{it.what}</a> <span class="muted">{[it.service, it.actor && `by ${it.actor}`, it.epoch && `epoch ${it.epoch}`].filter(Boolean).join(', ')}</span></span>
              </li>
            ))}
          </ol>
        </section>
      ))}
    </div>
  )
}

function grouped(changes: Change[]): Map<string, Change[]> {
  const days = new Map<string, Change[]>()
  for (const it of changes) {
    const day = moment(it.at).slice(0, 10)
    days.set(day, [...days.get(day) ?? [], it])
  }
  return days
}

/** The change, and the event that it was read from: its record says what differs. */
function Opened({ time, event, change }: { time: number; event: string | null; change: Change | null }) {
  const found = useLines<Ocsf>(event !== null && Number.isFinite(time) ? `events?since_ms=${time - 2}&until_ms=${time + 2}&limit=200` : null)
  const record = found.lines?.find((it) => uid(it) === event)
  return (
    <>
      {change && <p><Badge tone="info">{change.kind}</Badge> {change.what} <span class="muted"><When at={change.at} /></span></p>}
      {record ? <EventDetails record={record} />
        : found.error ? <Failed error={found.error} again={found.again} />
          : event !== null && found.lines === null ? <Loading />
            : <p class="muted">No event is kept of it.</p>}
    </>
  )
}
