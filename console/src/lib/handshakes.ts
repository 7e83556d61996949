// Why handshakes failed, over the whole fleet.

import type { Status } from '../api/types.ts'

export interface Cause { cause: string; count: number; services: string[] }

/** Most frequent first; of one service alone where it is named. */
export function causes(status: Status, service: string | null): Cause[] {
  const found = new Map<string, Cause>()
  for (const proxy of status.proxies) {
    if (service && proxy.service !== service) continue
    for (const [cause, count] of Object.entries(proxy.handshakes.failed)) {
      const it = found.get(cause) ?? { cause, count: 0, services: [] }
      it.count += count
      if (count > 0 && !it.services.includes(proxy.service)) it.services.push(proxy.service)
      found.set(cause, it)
    }
  }
  return [...found.values()].filter((it) => it.count > 0).sort((a, b) => b.count - a.count)
}
