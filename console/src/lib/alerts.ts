// Which alert is looked at first.

import type { Alert, Matcher, Severity } from '../api/types.ts'

const RANKS: Record<Severity, number> = { critical: 0, high: 1, medium: 2, low: 3 }

/** Firing before pending before resolved, pages before tickets, worst first, then the newest. */
export function byPriority(alerts: Alert[]): Alert[] {
  const state = (it: Alert) => ({ firing: 0, pending: 1, resolved: 2 })[it.state] ?? 3
  const rank = (it: Alert) => RANKS[it.severity] ?? 4
  return [...alerts].sort((a, b) =>
    state(a) - state(b) || Number(a.urgency !== 'page') - Number(b.urgency !== 'page') || rank(a) - rank(b) || b.since - a.since)
}

/** What an alert has to have to be kept quiet, in words: `service = ledger`. */
export function matchers(those: Matcher[] | undefined): string {
  if (!those || those.length === 0) return 'everything'
  return those.map((it) => `${it.name} ${it.is_equal === false ? '≠' : '='}${it.is_regex ? ' pattern' : ''} ${it.value}`).join(', ')
}

/** A number that was measured: few digits, and no more than it has. */
export function measured(value: number | null | undefined): string | null {
  if (value === null || value === undefined || !Number.isFinite(value)) return null
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)))
}

/** What a summary says beyond the title that it begins with. */
export function beyond(title: string, summary: string | null | undefined): string {
  const text = summary ?? ''
  return text.startsWith(title) ? text.slice(title.length).replace(/^[\s:,.]+/, '').replace(/^\((.*)\)$/, '$1') : text
}
