// What a row says about an OCSF record.

import type { Ocsf, Ours } from '../api/types.ts'

export type Upshot = 'ok' | 'denied' | 'failed'

export const ours = (record: Ocsf): Ours => record.unmapped?.bartizan ?? {}
export const uid = (record: Ocsf): string => String(record.metadata?.uid ?? `${record.time}`)

/** As control has it: a denial, or whatever did not succeed. */
export function upshot(record: Ocsf): Upshot {
  if (ours(record).denial === true) return 'denied'
  return record.status === 'Failure' ? 'failed' : 'ok'
}

/** Why: the word for machines, and what people are told. */
export function reason(record: Ocsf): { code: string | null; text: string | null } {
  const code = record['status_code']
  return {
    code: typeof code === 'string' ? code : null,
    text: ours(record).reason ?? record.status_detail ?? null,
  }
}

/** From whom to whom. */
export function parties(record: Ocsf): { from: string | null; to: string | null } {
  const { peer, to, service } = ours(record)
  const end = (name: string) => {
    const it = record[name] as { svc_name?: string; uid?: string; ip?: string } | undefined
    return it?.svc_name ?? it?.uid ?? it?.ip ?? null
  }
  return { from: end('src_endpoint') ?? peer ?? null, to: to ?? end('dst_endpoint') ?? service ?? null }
}

/** Whether a record that happens now belongs to what was asked; what only control can say (`text`) is looked up in the message alone. */
export function fits(
  record: Ocsf,
  filter: { service: string; identity: string; outcome: string[]; class: string[]; text: string; request: string; version: string; image: string },
): boolean {
  const it = ours(record)
  if (filter.service && it.service !== filter.service) return false
  if (filter.request && it.request !== filter.request) return false
  if (filter.version && it.version !== filter.version) return false
  if (filter.image && !isImage(it.image ?? '', filter.image)) return false
  if (filter.outcome.length > 0 && !filter.outcome.includes(upshot(record))) return false
  if (filter.class.length > 0 && !filter.class.includes(it.kind ?? '')) return false
  if (filter.identity) {
    const peer = it.peer ?? ''
    const user = typeof it['user'] === 'string' ? it['user'] : ''
    if (peer !== filter.identity && !peer.endsWith(`/svc/${filter.identity}`) && user !== filter.identity) return false
  }
  return !filter.text || JSON.stringify(record).toLowerCase().includes(filter.text.toLowerCase())
}

/** Whether an image is meant: all of its reference, its name, its name with its tag or digest, or its digest. */
export function isImage(image: string, asked: string): boolean {
  const [has, want] = [parts(image), parts(asked)]
  return image !== '' && (['name', 'tag', 'digest'] as const).every((it) => want[it] === null || want[it] === has[it])
}

function parts(image: string): { name: string | null; tag: string | null; digest: string | null } {
  if (/^sha(256|512):[0-9a-f]{64,128}$/.test(image)) return { name: null, tag: null, digest: image }
  const [named = '', digest = null] = image.split('@')
  // A colon before the last slash is that of a port.
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1)
  return colon < 0 ? { name: named, tag: null, digest } : { name: named.slice(0, colon), tag: named.slice(colon + 1), digest }
}
