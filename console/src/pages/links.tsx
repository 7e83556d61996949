// Links that sign somebody in once, and who is signed in: for administrators.

import { useState } from 'preact/hooks'
import { me, post } from '../api/client.ts'
import { moment } from '../lib/format.ts'
import { PageHead, Panel } from '../parts/panel.tsx'
import type { ConsoleSession } from '../api/types.ts'
import { When } from '../parts/badges.tsx'
import { Empty, Shown } from '../parts/states.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { useLoad } from '../state/load.ts'

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
      <Sessions />
    </>
  )
}

function Sessions() {
  const sessions = useLoad<{ sessions: ConsoleSession[] }>('sessions', 15_000)
  const [wrong, setWrong] = useState<string | null>(null)
  const end = async (session: string) => {
    try {
      await post('sessions/end', { session })
      setWrong(null)
      sessions.again()
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error))
    }
  }
  const columns: Column<ConsoleSession>[] = [
    { name: 'Name', cell: (it) => it.name, by: (it) => it.name },
    { name: 'Role', cell: (it) => it.role, by: (it) => it.role },
    { name: 'Came by', cell: (it) => it.way, by: (it) => it.way },
    { name: 'Since', cell: (it) => <When at={it.began} />, by: (it) => it.began },
    { name: 'Seen', cell: (it) => <When at={it.seen} />, by: (it) => it.seen },
    { name: 'From', wide: true, cell: (it) => <>{it.address} <span class="muted break">{it.agent}</span></> },
    { name: 'End', cell: (it) => <button type="button" class="plain" onClick={() => { void end(it.session) }}>End<span class="hidden"> the session of {it.name}</span></button> },
  ]
  return (
    <div class="board board-one">
      <Panel title="Who is signed in" id="sessions">
        {wrong && <p class="banner banner-lost" role="alert">{wrong}</p>}
        <Shown loaded={sessions}>{(it) => (it.sessions.length === 0 ? <Empty title="Nobody" /> : <Table caption="Sessions" columns={columns} rows={it.sessions} id={(row) => row.session} />)}</Shown>
      </Panel>
    </div>
  )
}
