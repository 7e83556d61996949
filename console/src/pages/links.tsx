// Links that sign somebody in once: for administrators.

import { useState } from 'preact/hooks'
import { me, post } from '../api/client.ts'
import { moment } from '../lib/format.ts'
import { PageHead, Panel } from '../parts/panel.tsx'
import { Empty } from '../parts/states.tsx'

export function Links() {
  const [made, setMade] = useState<{ link: string; until: number } | null>(null)
  const [wrong, setWrong] = useState<string | null>(null)
  if (me.value?.role !== 'administrator') {
    return <><PageHead title="Sign-in links" /><Empty title="Your role may not see this">Links are made by administrators.</Empty></>
  }
  const make = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setWrong(null)
    setMade(null)
    try {
      setMade(await post<{ link: string; until: number }>('links', { role: String(form.get('role')), name: String(form.get('name') ?? '').trim(), minutes: Number(form.get('minutes')) }))
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error))
    }
  }
  return (
    <>
      <PageHead title="Sign-in links" />
      <Panel title="A link for somebody" id="link" note="It counts once. Whoever has it signs in with the role that is said here.">
        <form class="filters flat" onSubmit={(event) => { void make(event) }}>
          <div class="filter-row">
            <label>Name<input name="name" required maxLength={64} autocapitalize="none" /></label>
            <label>Role<select name="role"><option>viewer</option><option>operator</option><option>administrator</option></select></label>
            <label>Minutes<input name="minutes" type="number" min="1" max="1440" defaultValue="15" required /></label>
            <button type="submit" class="primary">Make a link</button>
          </div>
        </form>
        {wrong && <p class="banner banner-lost" role="alert">{wrong}</p>}
        {made && (
          <div role="status">
            <p>Until {moment(made.until)}. It is shown here alone:</p>
            <pre class="record" tabIndex={0}>{made.link}</pre>
          </div>
        )}
      </Panel>
    </>
  )
}
