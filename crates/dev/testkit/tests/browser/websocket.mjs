// A page that came over HTTP/2 opens a WebSocket, and Chromium takes a stream of the connection that it has (RFC 8441).
//
// Environment besides that of `driver.mjs`: EDGE of the gateway, whose `/page.html` is some page and whose `/echo` says back what it hears.

import { check, open } from './driver.mjs'

const { EDGE } = process.env

const browser = await open(EDGE)
const window = await browser.window()
const { page } = window
const cdp = await window.context.newCDPSession(page)
await cdp.send('Network.enable')
const agreed = []
cdp.on('Network.webSocketHandshakeResponseReceived', ({ response }) => agreed.push(response.status))

/** Says that to the program on a socket of its own; what comes back, and the code by which it is closed. */
const say = (text) =>
  page.evaluate(
    (text) =>
      new Promise((done, failed) => {
        const socket = new WebSocket(`wss://${location.host}/echo`)
        const heard = []
        socket.onopen = () => socket.send(text)
        socket.onmessage = ({ data }) => (heard.push(data), socket.close(1000))
        socket.onclose = ({ code }) => done({ heard, code })
        socket.onerror = () => failed(new Error('no socket'))
      }),
    text,
  )

try {
  await window.go(`${EDGE}/page.html`)
  const protocol = await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol)
  check(protocol === 'h2', `the page came over HTTP/2, not ${protocol}`)
  for (const text of ['hello', 'x'.repeat(60_000)]) {
    const { heard, code } = await say(text)
    check(heard.length === 1 && heard[0] === text && code === 1000, `${text.length} letters come back, not ${heard}; ${code}`)
  }
  check(agreed.every((status) => status === 200), `agreed to as HTTP/2 has it, not ${agreed}`)
  window.quiet('after the sockets')
  console.log(JSON.stringify({ judge: 'chromium', version: browser.chrome.version(), agreed: agreed.length }))
} finally {
  await browser.close()
}
