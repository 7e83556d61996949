// Which alert is looked at first.

import type { Alert, Severity } from '../api/types.ts'

const RANKS: Record<Severity, number> = { critical: 0, high: 1, medium: 2, low: 3 }

/** Firing before pending before resolved, pages before tickets, worst first, then the newest. */
export function byPriority(alerts: Alert[]): Alert[] {
  const state = (it: Alert) => ({ firing: 0, pending: 1, resolved: 2 })[it.state] ?? 3
  const rank = (it: Alert) => RANKS[it.severity] ?? 4
  return [...alerts].sort((a, b) =>
    state(a) - state(b) || Number(a.urgency !== 'page') - Number(b.urgency !== 'page') || rank(a) - rank(b) || b.since - a.since)
}

/** Whoever acknowledged or silenced it, in words; control may say a name or more. */
export function byWhom(it: unknown): string | null {
  if (it === null || it === undefined || it === false || it === '') return null
  if (typeof it === 'string') return it
  if (Array.isArray(it)) return it.length === 0 ? null : it.map((one) => byWhom(one) ?? '').join(', ')
  if (typeof it === 'object') {
    const { by, who, name, id } = it as Record<string, unknown>
    return String(by ?? who ?? name ?? id ?? 'yes')
  }
  return String(it)
}
