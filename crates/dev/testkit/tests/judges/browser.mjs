// A browser as far as our pages need one: it keeps cookies, follows redirects, fills in forms.

const { ISSUER, PERSON, PASSWORD } = process.env

/** One browser with a cookie jar of its own. */
export class Browser {
  #jar = new Map()

  async #send(url, form) {
    const cookies = [...this.#jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { cookie: cookies }
    if (form) Object.assign(headers, { origin: ISSUER, 'sec-fetch-site': 'same-origin' })
    const method = form ? 'POST' : 'GET'
    const answer = await fetch(url, { method, headers, body: form && new URLSearchParams(form), redirect: 'manual' })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)
      if (value) this.#jar.set(name, value)
      else this.#jar.delete(name)
    }
    const to = answer.headers.get('location')
    return { status: answer.status, to: to && new URL(to, url).href, text: await answer.text(), url }
  }

  /** Follows where it is sent as long as it stays at our server. */
  async #follow(said) {
    for (let n = 0; n < 12 && said.to?.startsWith(`${ISSUER}/`); n++) said = await this.#send(said.to)
    return said
  }

  async #submit(page, path, more) {
    const form = { ...more }
    for (const [, name, value] of page.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)) {
      form[name] ??= value.replaceAll('&amp;', '&')
    }
    return this.#follow(await this.#send(`${ISSUER}${path}`, form))
  }

  /** Goes to `url`, signs in and allows on the way; the address outside that it is sent to, or the last page. */
  async go(url, typed) {
    let said = await this.#follow(await this.#send(String(url)))
    for (let n = 0; n < 4 && !said.to; n++) {
      if (said.text.includes('name="password"')) {
        said = await this.#submit(said, '/sign-in', { name: PERSON, password: PASSWORD })
      } else if (said.text.includes('Allow access?')) {
        said = await this.#submit(said, '/consent', { answer: 'allow' })
      } else if (typed && said.text.includes('name="user_code"')) {
        said = await this.#submit(said, '/device', { user_code: typed })
      } else break
    }
    return said.to ?? said.text
  }
}

/** A library that was installed with `xtask/judges.sh`. */
export const judge = (path) => import(`${process.env.JUDGES}/${path}`)

export function check(holds, what) {
  if (!holds) throw new Error(`does not hold: ${what}`)
}

export async function refused(promise, code, what) {
  const error = await promise.then(() => undefined, (error) => error)
  const found = error?.error ?? error?.cause?.error
  check(found === code, `${what}: refused with ${code}, not ${found ?? error}`)
}
