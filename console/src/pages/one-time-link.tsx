// The page of a one-time link: the token is in the fragment, which browsers tell no server; a button spends it, so that whoever merely
// looks at links (a mail scanner) does not.

import { useEffect, useState } from 'preact/hooks'
import { ApiError, signIn, whoAmI } from '../api/client.ts'
import { Mark } from '../parts/shell.tsx'
import { go } from '../state/router.ts'

/** Taken once, and out of the address: neither history nor a screen share keeps it. */
const token = location.pathname === '/link' ? location.hash.slice(1) : ''
if (token) history.replaceState(null, '', '/link')

export function OneTimeLink() {
  const [wrong, setWrong] = useState<string | null>(token ? null : 'This address has no token. Open the whole link.')
  const [busy, setBusy] = useState(false)
  useEffect(() => { document.title = 'Sign in by link · Bartizan' }, [])
  const spend = async () => {
    setBusy(true)
    setWrong(null)
    try {
      await signIn.link(token)
      await whoAmI()
      go('/', { replace: true })
    } catch (error) {
      setWrong(error instanceof ApiError ? error.message : String(error))
      setBusy(false)
    }
  }
  return (
    <main class="alone">
      <div class="card">
        <p class="card-brand"><Mark />Bartizan</p>
        <h1>Sign in by link</h1>
        <p>This link counts once. It signs this browser in.</p>
        {wrong && <p class="banner banner-lost" role="alert">{wrong}</p>}
        {token && <button type="button" class="primary" disabled={busy} onClick={() => { void spend() }}>{busy ? 'Signing in' : 'Sign in'}</button>}
        <p><a href="/sign-in">Sign in another way</a></p>
      </div>
    </main>
  )
}
