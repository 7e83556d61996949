// Search, its address, the live tail, the next page, a record in full, and why it came out as it did.

import { Fixture } from '../../dev/server.mjs'
import { Window, check, until } from '../browser.mjs'

export async function run({ browser }) {
  const fixture = new Fixture({ fleet: 'small', open: true })
  const window = await Window.in(browser, await fixture.listen())
  const { page } = window
  await window.go('/events')
  const rows = page.locator('.events-table tbody tr')
  await rows.first().waitFor()
  // Live.
  const before = await rows.count()
  await until('live events on top', async () => (await rows.count()) > before)
  await window.press('Live: pause')
  const paused = await rows.count()
  const told = fixture.happenings.kept.length
  await until('more to happen', () => fixture.happenings.kept.length > told + 2)
  check(await rows.count() === paused, 'a paused list stands still')
  // Filters are in the address, and the address alone says the same.
  await window.press('denied')
  await until('the address to have it', () => page.url().includes('outcome=denied'))
  await page.getByLabel('Service').fill('accounts')
  await window.press('Search')
  await until('the address to have both', () => page.url().includes('service=accounts') && page.url().includes('outcome=denied'))
  const shared = page.url()
  await page.goto(shared)
  await rows.first().waitFor()
  const outcomes = new Set(await page.locator('.events-table td[data-name="Outcome"]').allInnerTexts())
  check(outcomes.size === 1 && outcomes.has('denied'), [...outcomes].join())
  check(await page.getByLabel('Service').inputValue() === 'accounts', 'the form says what was asked')
  check(await page.getByRole('button', { name: 'denied', exact: true }).getAttribute('aria-pressed') === 'true', 'and so does the chip')
  await page.goBack()
  // The next page, by its cursor.
  await window.go('/events?tail=off')
  await until('a first page', async () => await rows.count() === 100)
  await window.press('Older')
  await until('the page after it', async () => await rows.count() === 200)
  const ids = await page.locator('.events-table tbody a').evaluateAll((those) => those.map((it) => new URL(it.href).searchParams.get('open')))
  check(new Set(ids).size === ids.length, 'no event stands there twice')
  const times = await page.locator('.events-table tbody time').evaluateAll((those) => those.map((it) => it.dateTime))
  check(times.every((it, n) => n === 0 || it <= times[n - 1]), `the newest first, over both pages: ${times.find((it, n) => n > 0 && it > times[n - 1])}`)
  // A record in full, by an address that another one has too.
  await window.go('/events?outcome=denied&class=request&tail=off')
  await rows.first().waitFor()
  await page.locator('.events-table tbody a').first().click()
  await window.says('Record (OCSF)')
  const opened = new URL(page.url())
  await page.goto(`${window.origin}/events?open=${opened.searchParams.get('open')}&at=${opened.searchParams.get('at')}&outcome=ok&tail=off`)
  await window.says('Record (OCSF)')
  await page.getByRole('link', { name: 'Why was this denied?' }).click()
  await window.says('forbid (principal, action, resource == Route')
  await window.says('Policy epoch 17, still in force')
  await window.press('Waterfall')
  await page.locator('.wf-denied').first().waitFor()
  check((await page.locator('.waterfall').innerText()).includes('no-direct-transfers'), 'the waterfall names the policy')
  await window.go(`/requests/${'0'.repeat(32)}`)
  await window.says('Nothing is stored about this request')
  window.patient(/status of 4\d\d/)
  await window.go('/requests/zzz')
  await window.says('expected 32 hex digits')
  await window.go('/requests/%E0%A4%A')
  await window.says('refused')
  window.impatient()
  // What was missed is said.
  await window.go('/events')
  await rows.first().waitFor()
  await until('the stream', () => fixture.streams.size > 0)
  fixture.tell('missed', { count: 1234 })
  await until('it to say what was missed', async () => /too slow for 1.234 events/.test(await page.locator('main').innerText()))
  await burst(window, fixture)
  window.quiet('events')
  await window.close()
  await fixture.close()
}

/** More than anybody can read: the page keeps up, shows the newest, and holds no more than it says. */
async function burst(window, fixture) {
  const { page } = window
  await window.go('/events')
  const rows = page.locator('.events-table tbody tr')
  await rows.first().waitFor()
  await until('the stream', () => fixture.streams.size > 0)
  let last
  for (let n = 0; n < 100; n++) {
    const records = Array.from({ length: 10 }, () => fixture.happenings.happen(Date.now())).flat()
    fixture.tell('events', records)
    last = records.at(-1).metadata.uid
    await new Promise((done) => setTimeout(done, 10))
  }
  await until('the newest of a burst on top', async () => {
    const shown = await page.locator('.events-table tbody a').evaluateAll((those) => those.slice(0, 40).map((it) => new URL(it.href).searchParams.get('open')))
    return shown.includes(last)
  })
  const held = await rows.count()
  check(held <= 500, `${held} rows are held`)
}
