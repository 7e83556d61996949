// Words with a meaning: each has a colour, a drawing and a text, so that none of them is needed to read the others.

import type { ComponentChildren } from 'preact'
import type { Mtls, Severity } from '../api/types.ts'
import type { Upshot } from '../lib/record.ts'
import { ago, moment } from '../lib/format.ts'
import { now } from '../state/clock.ts'
import { Icon, type IconName } from './icons.tsx'

export type Tone = 'allow' | 'deny' | 'failed' | 'plain' | 'info' | 'quiet'

export function Badge({ tone, icon, children }: { tone: Tone; icon?: IconName; children: ComponentChildren }) {
  return <span class={`badge tone-${tone}`}>{icon && <Icon name={icon} size={12} />}{children}</span>
}

const UPSHOTS: Record<Upshot, [Tone, IconName]> = { ok: ['allow', 'allow'], denied: ['deny', 'deny'], failed: ['failed', 'failed'] }

export function UpshotBadge({ upshot }: { upshot: Upshot }) {
  const [tone, icon] = UPSHOTS[upshot]
  return <Badge tone={tone} icon={icon}>{upshot}</Badge>
}

export const MTLS: Record<Mtls, { tone: Tone; icon: IconName; text: string }> = {
  strict: { tone: 'allow', icon: 'lock', text: 'mutual TLS' },
  permissive: { tone: 'failed', icon: 'lock', text: 'mutual TLS, plain accepted' },
  plain: { tone: 'plain', icon: 'plain', text: 'plain' },
  unseen: { tone: 'quiet', icon: 'unseen', text: 'no call seen' },
}

export const mtlsOf = (it: string) => MTLS[it as Mtls] ?? { tone: 'quiet' as Tone, icon: 'unseen' as IconName, text: it }

export function MtlsBadge({ mtls }: { mtls: string }) {
  const { tone, icon, text } = mtlsOf(mtls)
  return <Badge tone={tone} icon={icon}>{text}</Badge>
}

const SEVERITIES: Record<Severity, Tone> = { critical: 'deny', high: 'deny', medium: 'failed', low: 'info' }

export function SeverityBadge({ severity }: { severity: Severity }) {
  return <Badge tone={SEVERITIES[severity] ?? 'quiet'} icon={severity === 'critical' || severity === 'high' ? 'alerts' : 'objectives'}>{severity}</Badge>
}

/** A moment, by its distance; the whole of it where somebody points. */
export function When({ at }: { at: number | null | undefined }) {
  if (at === null || at === undefined) return <span class="muted">–</span>
  return <time dateTime={isoOf(at)} title={moment(at)}>{ago(at, now.value)}</time>
}

export function isoOf(at: number): string {
  const it = new Date(at)
  return Number.isNaN(it.getTime()) ? '' : it.toISOString()
}
