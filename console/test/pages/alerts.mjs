// Alerts: worst first, with runbooks; acknowledged, silenced; what is muted is shown.

import { Fixture } from '../../dev/server.mjs'
import { Window, check, until } from '../browser.mjs'

export async function run({ browser }) {
  const fixture = new Fixture({ fleet: 'small', open: true })
  const window = await Window.in(browser, await fixture.listen())
  const { page } = window
  await window.go('/alerts')
  await page.locator('.alert').first().waitFor()
  const titles = await page.locator('.alert-title').allInnerTexts()
  check(titles[0] === 'Denied calls use up the error budget' && titles.at(-1) === 'A clock is away', titles.join())
  await window.says('HandshakesFail')
  await window.says('its callee is away: that is told already')
  await window.says('answered with 503')
  await window.says('move of the data centre')
  await window.says('then ben (override)')
  await window.says('ana (security), chief after')
  await page.getByRole('button', { name: 'critical', exact: true }).click()
  await until('one to be left', async () => await page.locator('.alert').count() === 1)
  check(page.url().endsWith('?severity=critical'), page.url())
  await page.locator('.alert-title').first().click()
  await window.says('What changed before it')
  check(await page.locator('.tag', { hasText: 'ana (security)' }).count() === 1, 'who was called')
  await window.fill('Note, or why nobody is to be told', 'on it')
  await window.press('Acknowledge')
  await window.says('acknowledged by ana')
  await window.fill('Note, or why nobody is to be told', '')
  await window.press('Silence for 2 h')
  await window.says('Say why nobody is to be told.')
  await window.fill('Note, or why nobody is to be told', 'known')
  await window.press('Silence for 2 h')
  await window.says('silenced by ana: known')
  const said = fixture.posts.map(({ path, body }) => `${path} ${JSON.stringify(body)}`)
  check(said.join() === 'alerts/acknowledge {"id":"budget-burns-m3","note":"on it"},alerts/silence {"services":["accounts"],"rule":"budget-burns-m3","for_s":7200,"why":"known"}', said.join())
  await window.press('End it')
  await until('the silence to end', async () => !(await page.locator('main').innerText()).includes('silenced by ana'))
  await window.go('/alerts?service=payment')
  await page.locator('.chip', { hasText: 'service payment' }).waitFor()
  // Links of runbooks all lead somewhere.
  await window.go('/alerts')
  for (const href of new Set(await page.locator('a.runbook').evaluateAll((those) => those.map((it) => it.getAttribute('href'))))) {
    if (!href.startsWith('/')) continue
    await window.go(href)
    check(await page.locator('.prose h2.picked').count() === 1, `${href} leads to a section`)
  }
  await window.go('/links')
  await window.fill('Name', 'new')
  await window.press('Make a link')
  await window.says('/link#made-for-viewer')
  await window.says('Who is signed in')
  await page.getByRole('button', { name: 'End the session of wall' }).click()
  await until('it to be ended', () => fixture.posts.at(-1).path === 'sessions/end')
  window.quiet('alerts')
  await window.close()
  await fixture.close()
}
