// Sign-in: name and password, a code where the account has one, and what to do where nobody has an account yet.

import { useEffect, useState } from 'preact/hooks'
import { ApiError, signIn, whoAmI } from '../api/client.ts'
import type { SignInState } from '../api/types.ts'
import { stretch } from '../lib/format.ts'
import { Mark } from '../parts/shell.tsx'
import { Loading } from '../parts/states.tsx'
import { query } from '../state/router.ts'

export function SignIn() {
  const [state, setState] = useState<SignInState | null>(null)
  const [away, setAway] = useState(false)
  const [tries, setTries] = useState(0)
  useEffect(() => {
    document.title = 'Sign in · Bartizan'
    let ended = false
    signIn.state().then((it) => !ended && (setState(it), setAway(false)), () => !ended && setAway(true))
    return () => { ended = true }
  }, [tries])
  return (
    <main class="alone">
      <div class="card">
        <p class="card-brand"><Mark />Bartizan{state && <span class="muted"> {state.fleet}</span>}</p>
        <h1>Sign in</h1>
        {query.value['to'] && query.value['to'] !== '/' && <p class="muted">You come back to the page that you asked for.</p>}
        {away && <p class="banner banner-lost" role="alert">Control does not answer. <button type="button" class="plain" onClick={() => setTries(tries + 1)}>Try again</button></p>}
        {!state && !away && <Loading />}
        {state?.first_run && (
          <section class="first-run">
            <h2>Nobody has signed in yet</h2>
            <p>
              The first administrator comes in by a link that counts once. <code>bartizan up</code> shows one when it starts; another one is made at the machine of the
              fleet:
            </p>
            <pre><code>bartizan console link --role administrator</code></pre>
          </section>
        )}
        {state?.people && <Password />}
        {state && !state.people && !state.first_run && (
          <section class="first-run">
            <p>This fleet has no people with passwords. Ask for a link that counts once, or make one at the machine of the fleet:</p>
            <pre><code>bartizan console link</code></pre>
          </section>
        )}
      </div>
    </main>
  )
}

function Password() {
  const [wantsCode, setWantsCode] = useState(false)
  const [wrong, setWrong] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const text = (name: string) => String(form.get(name) ?? '')
    setBusy(true)
    setWrong(null)
    try {
      await signIn.password(text('name'), text('password'), wantsCode ? text('code').replace(/\s/g, '') : null)
      await whoAmI()
    } catch (error) {
      const it = error instanceof ApiError ? error : new ApiError(0, String(error))
      const asksNow = it.body['wants_code'] === true
      if (asksNow && !wantsCode) setWantsCode(true)
      else setWrong(it.retry_after_s ? `${it.message}. Try again in ${stretch(it.retry_after_s * 1000)}.` : it.message)
      setBusy(false)
    }
  }
  return (
    <form onSubmit={submit}>
      {wrong && <p class="banner banner-lost" role="alert">{wrong}</p>}
      <label>Name<input name="name" autocomplete="username" required autocapitalize="none" spellcheck={false} /></label>
      <label>Password<input name="password" type="password" autocomplete="current-password" required /></label>
      {wantsCode && (
        <label>
          Code of your app
          <input name="code" inputMode="numeric" autocomplete="one-time-code" required ref={(it) => { if (it && !it.value) it.focus() }} />
        </label>
      )}
      <button type="submit" class="primary" disabled={busy}>{busy ? 'Signing in' : 'Sign in'}</button>
    </form>
  )
}
