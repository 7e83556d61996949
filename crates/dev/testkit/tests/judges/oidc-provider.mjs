// oidc-provider, an OpenID provider that others wrote and the OpenID Foundation certified, as the identity provider at which people of a
// fleet sign in; and a browser that goes there. What is not as the specification wants it, it refuses.
//
// Environment: ISSUER, our server; PORT, CERT, KEY of the provider; REDIRECT and SECRET, as it knows us; TWIN, another fleet's server at
// which somebody (PERSON, PASSWORD) has an account, where people come from as well.

import { createServer } from 'node:https'
import { readFileSync } from 'node:fs'
import { check, judge } from './browser.mjs'

const { ISSUER, PORT, CERT, KEY, REDIRECT, SECRET, TWIN, PERSON, PASSWORD } = process.env
const own = `https://127.0.0.1:${PORT}`
const people = {
  ana: { name: 'Ana Elsewhere', preferred_username: 'ana', email: 'ana@bank.test', email_verified: true, groups: ['tellers'] },
  eve: { name: 'Eve', preferred_username: 'eve', email: 'eve@bank.test', email_verified: false, groups: ['tellers'] },
}

async function serve() {
  const { Provider } = await judge('oidc-provider/lib/index.js')
  const provider = new Provider(own, {
    clients: [{ client_id: 'fleet', client_secret: SECRET, redirect_uris: [REDIRECT], grant_types: ['authorization_code'], scope: 'openid profile email groups' }],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    cookies: { keys: ['a key for cookies'] },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, ...people[accountId] }) }),
  })
  provider.on('grant.error', (_, error) => console.error('grant', error.error_detail ?? error))
  provider.on('userinfo.error', (_, error) => console.error('userinfo', error))
  const server = createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }, provider.callback())
  await new Promise((listening) => server.listen(Number(PORT), '127.0.0.1', listening))
  return server
}

/** A browser that goes to several sites: each has cookies of its own. */
class Browser {
  #jars = new Map()

  async send(url, form) {
    const { origin } = new URL(url)
    const jar = this.#jars.get(origin) ?? new Map()
    this.#jars.set(origin, jar)
    const headers = { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }
    if (form) Object.assign(headers, { origin, 'sec-fetch-site': 'same-origin' })
    const answer = await fetch(url, { method: form ? 'POST' : 'GET', headers, body: form && new URLSearchParams(form), redirect: 'manual' })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)
      if (value) jar.set(name, value)
      else jar.delete(name)
    }
    const to = answer.headers.get('location')
    const said = { status: answer.status, url, text: await answer.text() }
    return to ? this.send(new URL(to, url).href) : said
  }

  /** Sends the form of a page whose text has `mark`, with what is typed. */
  submit(page, mark, typed = {}) {
    const form = page.text.split('<form').find((one) => one.includes(mark))
    check(form, `a form with ${mark} in ${page.status} ${page.url}: ${page.text}`)
    const fields = Object.fromEntries([...form.matchAll(/<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)].map(([, name, value]) => [name, value.replaceAll('&amp;', '&')]))
    return this.send(new URL(/action="([^"]+)"/.exec(form)[1].replaceAll('&amp;', '&'), page.url).href, { ...fields, ...typed })
  }
}

/** Somebody comes to us from the provider. */
async function come(login) {
  const browser = new Browser()
  let page = await browser.submit(await browser.send(`${ISSUER}/sign-in`), 'value="foreign"')
  check(page.url.startsWith(own), `at the provider, not at ${page.url}: ${page.text}`)
  page = await browser.submit(page, 'name="login"', { login, password: 'anything' })
  page = await browser.submit(page, 'value="consent"')
  return { browser, page }
}

const server = await serve()
try {
  // Our server looks again until it is there.
  for (let n = 0; n < 120; n++) {
    const page = await (await fetch(`${ISSUER}/sign-in`)).text()
    if (page.includes('value="foreign"') && page.includes('value="twin"')) break
    await new Promise((later) => setTimeout(later, 500))
  }
  const { page } = await come('ana')
  check(page.url === `${ISSUER}/account` && page.text.includes('Ana Elsewhere'), `${page.status} ${page.url}: ${page.text}`)
  const eve = await come('eve')
  check(eve.page.status === 403 && eve.page.text.includes('did not sign you in'), `${eve.page.status} ${eve.page.text}`)
  const again = await come('ana')
  check(again.page.url === `${ISSUER}/account`, `${again.page.status} ${again.page.text}`)
  // From the other fleet: its own sign-in page, and back.
  const browser = new Browser()
  let there = await browser.submit(await browser.send(`${ISSUER}/sign-in`), 'value="twin"')
  check(there.url.startsWith(TWIN), `at the other fleet, not at ${there.url}: ${there.text}`)
  there = await browser.submit(there, 'name="password"', { name: PERSON, password: PASSWORD })
  check(there.url === `${ISSUER}/account` && there.text.includes('Ana Horvat'), `${there.status} ${there.url}: ${there.text}`)
  console.log(JSON.stringify({ judge: 'oidc-provider' }))
} finally {
  server.closeAllConnections()
  server.close()
}
