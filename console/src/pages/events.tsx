// Search of events: what is asked stands in the address; what happens from now on comes on top of it while the tail is live.

import { useEffect, useMemo, useState } from 'preact/hooks'
import { map, onEvents, revived } from '../api/live.ts'
import type { Ocsf } from '../api/types.ts'
import { CLASSES, OUTCOMES, at, eventFilter, eventQuery, eventWords, type EventFilter } from '../lib/address.ts'
import { clock, count, moment, shortId } from '../lib/format.ts'
import { fits, ours, parties, reason, uid, upshot } from '../lib/record.ts'
import { UpshotBadge, isoOf } from '../parts/badges.tsx'
import { EventDetails } from '../parts/event-line.tsx'
import { Icon } from '../parts/icons.tsx'
import { PageHead, Sheet } from '../parts/panel.tsx'
import { Empty, Failed, Loading } from '../parts/states.tsx'
import { useLines } from '../state/lines.ts'
import { controlNow } from '../state/clock.ts'
import { ask, go, query } from '../state/router.ts'

/** Events of one page, a count. */
const PAGE = 100
/** Events that a live tail keeps, a count. */
const TAIL = 400
/** How far around its time the record of an address is looked for, in milliseconds. */
const AROUND_MS = 2

export function Events() {
  const filter = eventFilter(query.value)
  const live = query.value['tail'] !== 'off' && filter.to === ''
  const open = query.value['open'] ?? null
  const key = JSON.stringify(filter)
  const stored = useLines<Ocsf>(useMemo(() => `events${eventQuery(filter, controlNow(), { limit: String(PAGE) })}`, [key, revived.value]), revived.value)
  const told = useTail(filter, live, key)
  const rows = useMemo(() => {
    const known = new Set(told.map(uid))
    return [...told, ...(stored.lines ?? []).filter((it) => !known.has(uid(it)))]
  }, [told, stored.lines])
  const listed = open === null ? undefined : rows.find((it) => uid(it) === open)
  const close = () => ask({ open: null, at: null })
  return (
    <div class="events-page">
      <PageHead title="Events">
        <button type="button" aria-pressed={live} class="with-icon" onClick={() => ask({ tail: live ? 'off' : null })}>
          <Icon name={live ? 'pause' : 'play'} size={14} />{live ? 'Live: pause' : 'Paused: go live'}
        </button>
      </PageHead>
      <Filters key={key} filter={filter} />
      <div class={open ? 'events-body with-sheet' : 'events-body'}>
        <div class="events-list">
          {stored.lines === null
            ? stored.error ? <Failed error={stored.error} again={stored.again} /> : <Loading text="Searching" />
            : rows.length === 0
              ? <Empty title="Nothing fits">{live ? 'What happens from now on appears here.' : 'Ask for less, or for a longer time.'}</Empty>
              : <List rows={rows} open={open} />}
          {stored.lines !== null && stored.error && <Failed error={stored.error} again={stored.again} />}
          {stored.lines !== null && rows.length > 0 && (
            <p class="more">
              {stored.more
                ? <button type="button" onClick={stored.next} disabled={stored.loading}>{stored.loading ? 'Loading' : 'Older'}</button>
                : <span class="muted">These are all: {count(rows.length)}.</span>}
            </p>
          )}
        </div>
        {open && (
          <Sheet key={open} title="Event" onClose={close}>
            {listed ? <EventDetails record={listed} /> : <Found id={open} at={Number(query.value['at'])} />}
          </Sheet>
        )}
      </div>
    </div>
  )
}

/** What happens while the page is open and belongs to what was asked. */
function useTail(filter: EventFilter, live: boolean, key: string): Ocsf[] {
  const [told, setTold] = useState<Ocsf[]>([])
  useEffect(() => setTold([]), [key])
  useEffect(() => {
    if (!live) return
    return onEvents((records) => {
      const those = records.filter((it) => fits(it, filter)).reverse()
      if (those.length > 0) setTold((before) => [...those, ...before].slice(0, TAIL))
    })
  }, [live, key])
  return told
}

/** A record that is not on the page: found by its time. */
function Found({ id, at: time }: { id: string; at: number }) {
  const path = Number.isFinite(time) ? `events?since_ms=${time - AROUND_MS}&until_ms=${time + AROUND_MS}&limit=500` : null
  const found = useLines<Ocsf>(path)
  const record = found.lines?.find((it) => uid(it) === id)
  if (record) return <EventDetails record={record} />
  if (found.error) return <Failed error={found.error} again={found.again} />
  if (path !== null && found.lines === null) return <Loading />
  return <Empty title="This event is not there">It may have been aged out of the store.</Empty>
}

function List({ rows, open }: { rows: Ocsf[]; open: string | null }) {
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label="Events">
      <table class="events-table">
        <caption class="hidden">Events, newest first</caption>
        <thead><tr><th scope="col">Time</th><th scope="col">Outcome</th><th scope="col">Kind</th><th scope="col">From</th><th scope="col">To</th><th scope="col" class="wide">What happened</th></tr></thead>
        <tbody>
          {rows.map((it) => {
            const { from, to } = parties(it)
            const why = reason(it)
            const how = upshot(it)
            return (
              <tr key={uid(it)} class={uid(it) === open ? 'picked' : ''}>
                <td data-name="Time" class="number"><time dateTime={isoOf(it.time)} title={moment(it.time)}>{clock(it.time)}</time></td>
                <td data-name="Outcome"><UpshotBadge upshot={how} /></td>
                <td data-name="Kind">{ours(it).kind}</td>
                <td data-name="From">{shortId(from)}</td>
                <td data-name="To">{to ?? '–'}</td>
                <td data-name="What happened" class="wide">
                  <a href={at('/events', { ...query.value, open: uid(it), at: String(it.time) })}>{it.message ?? it.class_name}</a>
                  {how !== 'ok' && why.text && <div class="muted">{why.text}</div>}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function Filters({ filter }: { filter: EventFilter }) {
  const names = (map.value?.services ?? []).filter((it) => it.kind !== 'outside').map((it) => it.name)
  const [more, setMore] = useState(filter.identity !== '' || filter.request !== '' || filter.from !== '' || filter.to !== '' || filter.version !== '' || filter.image !== '' || filter.class.length > 0)
  const to = (next: EventFilter) => go(at('/events', { ...eventWords(next), ...query.value['tail'] ? { tail: 'off' } : {} }))
  const submit = (event: Event) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const text = (name: string) => String(form.get(name) ?? '').trim()
    to({
      ...filter,
      text: text('text'), service: text('service'), last: text('last'),
      ...more ? { identity: text('identity'), request: text('request').toLowerCase(), from: text('from'), to: text('to'), version: text('version'), image: text('image') } : {},
    })
  }
  const flip = (name: 'outcome' | 'class', word: string) => {
    const has = filter[name].includes(word)
    to({ ...filter, [name]: has ? filter[name].filter((it) => it !== word) : [...filter[name], word] })
  }
  const any = Object.keys(eventWords(filter)).length > 0
  return (
    <form class="filters" onSubmit={submit} role="search">
      <div class="filter-row">
        <label class="grow">Text<input name="text" type="search" defaultValue={filter.text} maxLength={256} /></label>
        <label>Service<input name="service" list="service-names" defaultValue={filter.service} /></label>
        <datalist id="service-names">{names.map((it) => <option key={it} value={it} />)}</datalist>
        <label>
          Time
          <select name="last" defaultValue={filter.last} onChange={(event) => event.currentTarget.form?.requestSubmit()}>
            <option value="">all that is kept</option>
            {['5m', '30m', '1h', '6h', '24h', '7d'].map((it) => <option key={it} value={it}>last {it}</option>)}
            {filter.last && !['5m', '30m', '1h', '6h', '24h', '7d'].includes(filter.last) && <option value={filter.last}>last {filter.last}</option>}
          </select>
        </label>
        <button type="submit" class="primary">Search</button>
        <button type="button" aria-expanded={more} onClick={() => setMore(!more)}>{more ? 'Fewer filters' : 'More filters'}</button>
        {any && <a class="button" href="/events">Clear</a>}
      </div>
      <div class="filter-row chips" role="group" aria-label="Outcome">
        {OUTCOMES.map((it) => <button type="button" key={it} class="chip" aria-pressed={filter.outcome.includes(it)} onClick={() => flip('outcome', it)}>{it}</button>)}
      </div>
      {more && (
        <>
          <div class="filter-row">
            <label>Identity or user<input name="identity" defaultValue={filter.identity} /></label>
            <label class="grow">Request<input name="request" defaultValue={filter.request} pattern="[0-9a-fA-F]{32}" title="32 hex digits" /></label>
            <label>Version<input name="version" defaultValue={filter.version} maxLength={64} /></label>
            <label class="grow">Image<input name="image" defaultValue={filter.image} maxLength={520} /></label>
            <label>From<input name="from" type="datetime-local" step="1" defaultValue={filter.from} /></label>
            <label>Until<input name="to" type="datetime-local" step="1" defaultValue={filter.to} /></label>
          </div>
          <div class="filter-row chips" role="group" aria-label="Kind">
            {CLASSES.map((it) => <button type="button" key={it} class="chip" aria-pressed={filter.class.includes(it)} onClick={() => flip('class', it)}>{it}</button>)}
          </div>
        </>
      )}
    </form>
  )
}
