// What the pages weigh, how soon they are there, and that they name no address but their own.

import { gzipSync } from 'node:zlib'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Fixture } from '../../dev/server.mjs'
import { Window, check } from '../browser.mjs'

const DIST = fileURLToPath(new URL('../../dist', import.meta.url))
const SCRIPT_BYTES_MAX = 300 * 1024
/** On a loopback with nothing else to do it is a tenth of that; a busy machine gets three times what was promised. */
const FIRST_PAINT_MS = 3_000

export async function run({ browser, say }) {
  files(say)
  const fixture = new Fixture({ fleet: 'large', open: true })
  const window = await Window.in(browser, await fixture.listen())
  await window.go('/')
  await window.page.locator('[data-service]').first().waitFor()
  const paint = await window.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null)
  say(`first paint after ${paint?.toFixed(0)} ms`)
  check(paint !== null && paint < FIRST_PAINT_MS, `first paint after ${paint} ms`)
  await window.close()
  await fixture.close()
}

function files(say) {
  const names = readdirSync(join(DIST, 'assets'))
  const read = (name) => readFileSync(join(DIST, 'assets', name))
  const scripts = names.filter((it) => it.endsWith('.js'))
  const bytes = scripts.reduce((sum, it) => sum + gzipSync(read(it)).length, 0)
  say(`scripts: ${bytes} bytes compressed, styles: ${names.filter((it) => it.endsWith('.css')).reduce((sum, it) => sum + gzipSync(read(it)).length, 0)}`)
  check(scripts.length > 0 && bytes < SCRIPT_BYTES_MAX, `${bytes} bytes of script`)
  const html = readFileSync(join(DIST, 'index.html'), 'utf8')
  check(!/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=/i.test(html), `the page has no inline script or style: ${html}`)
  check([...html.matchAll(/(?:src|href)="([^"]+)"/g)].every(([, to]) => /^(\/|data:)/.test(to)), html)
  for (const name of names.filter((it) => /\.(js|css)$/.test(it))) {
    const outside = [...read(name).toString().matchAll(/\b(?:https?|wss?):\/\/[\w.-]+/g)].map(([it]) => it).filter((it) => !/^http:\/\/www\.w3\.org$/.test(it))
    check(outside.length === 0, `${name} names ${[...new Set(outside)]}`)
    check(!/\beval\(|new Function\(/.test(read(name).toString()), `${name} makes code of text`)
  }
}
