// Who comes in, how, and where they come back to.

import { Fixture } from '../../dev/server.mjs'
import { Window, check, until } from '../browser.mjs'

const REFUSED = [/status of 4\d\d/]

export async function run({ browser }) {
  await firstRun(browser)
  const fixture = new Fixture({ fleet: 'small' })
  const origin = await fixture.listen()
  try {
    await link(browser, fixture, origin)
    await password(browser, fixture, origin)
    await roles(browser, fixture, origin)
  } finally {
    await fixture.close()
  }
}

async function firstRun(browser) {
  const fixture = new Fixture({ fleet: 'empty', firstRun: true })
  const window = await Window.in(browser, await fixture.listen())
  REFUSED.forEach((it) => window.patient(it))
  await window.go('/')
  await window.says('Nobody has signed in yet')
  await window.says('bartizan console link --role administrator')
  await window.look('first-run')
  await window.close()
  await fixture.close()
}

async function link(browser, fixture, origin) {
  const window = await Window.in(browser, origin)
  REFUSED.forEach((it) => window.patient(it))
  await window.go('/link#fixture-token')
  check(fixture.links.has('fixture-token'), 'looking at the link does not spend it')
  check(!(await window.page.evaluate(() => location.href)).includes('fixture-token'), 'the token is not in the address any more')
  await window.look('link')
  await window.press('Sign in')
  await window.says('Service map')
  check(!fixture.links.has('fixture-token'), 'the button spends it')
  const cookie = (await window.context.cookies())[0]
  check(cookie.httpOnly && cookie.sameSite === 'Strict', JSON.stringify(cookie))
  // Another time it does not count, and says so.
  const other = await Window.in(browser, origin)
  REFUSED.forEach((it) => other.patient(it))
  await other.go('/link#fixture-token')
  await other.press('Sign in')
  await other.says('this link was used, or its time is over')
  await other.close()
  await window.press('Sign out')
  await window.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  check(fixture.sessions.size === 0, 'sign-out ends the session at control')
  await window.close()
}

async function password(browser, fixture, origin) {
  const window = await Window.in(browser, origin)
  REFUSED.forEach((it) => window.patient(it))
  const asked = '/events?outcome=denied&service=accounts'
  await window.page.goto(origin + asked)
  await window.page.getByLabel('Name').waitFor()
  await window.look('sign-in')
  await window.fill('Name', 'ana')
  await window.fill('Password', 'not a horse')
  await window.press('Sign in')
  await window.says('Name or password is wrong')
  await window.fill('Name', 'often')
  await window.press('Sign in')
  await window.says('Try again in 30')
  // Who has a code is asked for it, once the password is right.
  await window.fill('Name', 'tess')
  await window.fill('Password', 'horse')
  await window.press('Sign in')
  await window.fill('Code of your app', '000000')
  await window.press('Sign in')
  await window.says('The code is wrong')
  await window.look('sign-in-code')
  await window.fill('Code of your app', '123 456')
  await window.press('Sign in')
  await window.page.getByRole('heading', { name: 'Events' }).waitFor()
  check(window.page.url() === origin + asked, `back at what was asked for, not at ${window.page.url()}`)
  // The session ends while the page is open.
  fixture.endSessions()
  await window.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  check(new URL(window.page.url()).searchParams.get('to') === asked, window.page.url())
  // A way back that leads elsewhere is not taken.
  await window.page.goto(`${origin}/sign-in?to=${encodeURIComponent('//evil.test/')}`)
  await window.fill('Name', 'ana')
  await window.fill('Password', 'horse')
  await window.press('Sign in')
  await window.page.getByRole('heading', { name: 'Service map' }).waitFor()
  check(window.page.url() === `${origin}/`, window.page.url())
  window.quiet('password')
  await window.close()
}

/** What a role may not do is not offered; where control refuses, the page says so. */
async function roles(browser, fixture, origin) {
  const window = await Window.in(browser, origin)
  REFUSED.forEach((it) => window.patient(it))
  await window.go('/changes')
  await window.fill('Name', 'vic')
  await window.fill('Password', 'horse')
  await window.press('Sign in')
  await window.says('policies 17 published')
  check(await window.page.getByRole('button', { name: 'Reload files' }).count() === 0, 'a viewer reloads nothing')
  check(await window.page.getByRole('link', { name: 'Sign-in links' }).count() === 0, 'a viewer makes no links')
  await window.go('/links')
  await window.says('Your role may not see this')
  await window.go('/alerts?open=budget-burns-m3')
  await window.says('Operators acknowledge and silence')
  fixture.fail('events', 403)
  await window.go('/events')
  await window.says('You are signed in as viewer')
  await window.look('forbidden')
  fixture.fail('events', null)
  await until('nothing was posted', () => fixture.posts.length === 0)
  await window.close()
}
