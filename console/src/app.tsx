// From the address to the page. Who is not signed in sees the sign-in page at whatever address, and comes back to it.

import { useEffect, useState } from 'preact/hooks'
import type { ComponentType } from 'preact'
import { ApiError, me, whoAmI } from './api/client.ts'
import { first, hangUp, live } from './api/live.ts'
import { backoff } from './lib/backoff.ts'
import { at } from './lib/address.ts'
import { Shell } from './parts/shell.tsx'
import { Loading } from './parts/states.tsx'
import { forget } from './state/load.ts'
import { address, go, path, query } from './state/router.ts'
import { Alerts } from './pages/alerts.tsx'
import { Debug } from './pages/debug.tsx'
import { Events } from './pages/events.tsx'
import { Executive } from './pages/executive.tsx'
import { Identities } from './pages/identities.tsx'
import { Links } from './pages/links.tsx'
import { NotFound } from './pages/not-found.tsx'
import { Objectives } from './pages/objectives.tsx'
import { OnCall } from './pages/on-call.tsx'
import { Overview } from './pages/overview.tsx'
import { Policies } from './pages/policies.tsx'
import { Request } from './pages/request.tsx'
import { Runbooks } from './pages/runbooks.tsx'
import { SignIn } from './pages/sign-in.tsx'
import { OneTimeLink } from './pages/one-time-link.tsx'
import { Timeline } from './pages/timeline.tsx'

const PAGES: Record<string, ComponentType> = {
  '/': Overview,
  '/boards/executive': Executive,
  '/boards/on-call': OnCall,
  '/boards/debug': Debug,
  '/events': Events,
  '/policies': Policies,
  '/changes': Timeline,
  '/identities': Identities,
  '/alerts': Alerts,
  '/objectives': Objectives,
  '/runbooks': Runbooks,
  '/links': Links,
}

function page(): ComponentType {
  if (/^\/requests\/[^/]+$/.test(path.value)) return Request
  return PAGES[path.value] ?? NotFound
}

/** Where sign-in leads back to; only to places of ours. */
export const back = (to: string | undefined) => (to && /^\/(?![/\\])/.test(to) && !to.startsWith('/sign-in') ? to : '/')

/** Asks who is signed in until somebody answers: a page that is opened while control starts waits for it. */
function useIdentity() {
  const [away, setAway] = useState(0)
  useEffect(() => {
    let [ended, tries] = [false, 0]
    let timer: ReturnType<typeof setTimeout>
    const ask = async () => {
      try {
        // Only the first time is somebody opening the page.
        await whoAmI(tries === 0 ? 'person' : 'page')
        setAway(0)
      } catch (error) {
        if (ended || !(error instanceof ApiError)) return
        setAway((since) => since || Date.now())
        timer = setTimeout(ask, backoff(tries++, Math.random()))
      }
    }
    void ask()
    return () => {
      ended = true
      clearTimeout(timer)
    }
  }, [])
  return away
}

export function App() {
  const away = useIdentity()
  const who = me.value
  const here = path.value
  useEffect(() => {
    if (!who) return
    void first()
    void live()
    return () => {
      hangUp()
      forget()
    }
  }, [who?.name, who?.csrf])
  useEffect(() => {
    if (who === null && here !== '/sign-in' && here !== '/link') {
      go(at('/sign-in', { to: address.value.path + address.value.search }), { replace: true })
    } else if (who && here === '/sign-in') go(back(query.value['to']), { replace: true })
  }, [who, here])
  if (here === '/link') return <OneTimeLink />
  if (who === undefined) return <div class="alone">{away ? <Loading text="Control does not answer. Trying again." /> : <Loading />}</div>
  if (who === null) return <SignIn />
  if (here === '/sign-in') return null
  const Page = page()
  return <Shell><Page key={here} /></Shell>
}
