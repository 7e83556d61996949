// openid-client runs everything that it knows against our server: metadata, PAR, PKCE, DPoP, codes, refresh, userinfo, revocation, the
// device flow, sign-out, registration, client credentials over mutual TLS, introspection. Its own checks judge the answers.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { Browser, check, judge, refused } from './browser.mjs'

const { ISSUER, CA, CERT, KEY, INITIAL, BACK_PORT, BACK_CERT, BACK_KEY } = process.env
const client = await judge('openid-client/build/index.js')
const { Agent, fetch: undiciFetch } = await judge('undici/index.js')
const server = new URL(ISSUER)

/** An app that begins: its configuration, and a key of its own. */
async function app(id) {
  const config = await client.discovery(server, id, undefined, client.None())
  client.enableNonRepudiationChecks(config) // signatures of ID tokens, over TLS too
  return { config, DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')) }
}

/** Somebody signs in at `browser` and allows; the tokens. */
async function signIn({ config, DPoP }, browser, redirect_uri, scope, more = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const parameters = {
    redirect_uri, scope, state, nonce, ...more,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }
  const to = await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
  check(to.searchParams.has('request_uri') && !to.searchParams.has('state'), 'the request was pushed')
  const back = new URL(await browser.go(to))
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: more.max_age }
  return {
    tokens: await client.authorizationCodeGrant(config, back, { ...checks, idTokenExpected: true }, undefined, { DPoP }),
    again: () => client.authorizationCodeGrant(config, back, checks, undefined, { DPoP }),
  }
}

const shop = await app('shop')
const browser = new Browser()
const loopback = 'http://127.0.0.1:49321/cb'
const { tokens, again } = await signIn(shop, browser, loopback, 'openid profile email offline_access web:read', {
  max_age: 3600,
})
check(tokens.token_type === 'dpop', 'the token is bound to the key')
const { sub } = tokens.claims()
const who = await client.fetchUserInfo(shop.config, tokens.access_token, sub, { DPoP: shop.DPoP })
check(who.preferred_username === process.env.PERSON && who.email, 'userinfo says who it is')

const next = await client.refreshTokenGrant(shop.config, tokens.refresh_token, undefined, { DPoP: shop.DPoP })
check(next.refresh_token !== tokens.refresh_token && next.claims().sub === sub, 'another refresh token, the same person')
await client.tokenRevocation(shop.config, next.refresh_token, { token_type_hint: 'refresh_token' })
await refused(
  client.refreshTokenGrant(shop.config, next.refresh_token, undefined, { DPoP: shop.DPoP }), 'invalid_grant', 'revoked')
await refused(again(), 'invalid_grant', 'a code that was used')

const device = await client.initiateDeviceAuthorization(shop.config, { scope: 'openid web:read' })
const polling = client.pollDeviceAuthorizationGrant(shop.config, device, undefined, { DPoP: shop.DPoP })
const page = await browser.go(device.verification_uri, device.user_code)
check(page.includes('is connected'), `the device is connected: ${page}`)
check((await polling).claims().sub === sub, 'the device has tokens of the same person')

// What the server posts once somebody signed out (OpenID Connect Back-Channel Logout 1.0).
const told = {}
told.promise = new Promise((resolve) => { told.resolve = resolve })
const own_server = createServer({ cert: readFileSync(BACK_CERT), key: readFileSync(BACK_KEY) }, async (asked, answer) => {
  let body = ''
  for await (const piece of asked) body += piece
  told.resolve({ method: asked.method, url: asked.url, kind: asked.headers['content-type'], form: new URLSearchParams(body) })
  answer.writeHead(200, { 'cache-control': 'no-store' }).end()
})
await new Promise((listening) => own_server.listen(Number(BACK_PORT), '127.0.0.1', listening))

const last = await signIn(shop, browser, 'https://shop.own.test/back', 'openid')
const out = client.buildEndSessionUrl(shop.config, {
  id_token_hint: last.tokens.id_token, post_logout_redirect_uri: 'https://shop.own.test/bye', state: 's',
})
check((await browser.go(out)) === 'https://shop.own.test/bye?state=s', 'signed out and sent back')

const word = await Promise.race([told.promise, new Promise((_, late) => setTimeout(late, 20_000, new Error('no word of the sign-out')))])
own_server.close()
check(word.method === 'POST' && word.url === '/out' && word.kind === 'application/x-www-form-urlencoded', 'it is posted in a form')
const { createRemoteJWKSet, jwtVerify } = await judge('jose/dist/webapi/index.js')
const published = shop.config.serverMetadata()
check(published.backchannel_logout_supported && published.backchannel_logout_session_supported, 'the metadata says so')
const { payload } = await jwtVerify(word.form.get('logout_token'), createRemoteJWKSet(new URL(published.jwks_uri)), {
  issuer: published.issuer, audience: 'shop', typ: 'logout+jwt', algorithms: ['ES256'], maxTokenAge: 120,
  requiredClaims: ['iat', 'exp', 'jti', 'sid', 'events'],
})
const event = payload.events['http://schemas.openid.net/event/backchannel-logout']
check(event && Object.keys(event).length === 0 && payload.nonce === undefined, 'it tells of a sign-out, and of nothing else')
check(payload.sid === last.tokens.claims().sid && payload.sub === sub, 'it is of the very session')

const metadata = { redirect_uris: ['https://new.own.test/back'], client_name: 'New', dpop_bound_access_tokens: true }
const registered = await client.dynamicClientRegistration(server, metadata, client.None(), { initialAccessToken: INITIAL })
const own = { config: registered, DPoP: client.getDPoPHandle(registered, await client.randomDPoPKeyPair('ES256')) }
check((await signIn(own, browser, 'https://new.own.test/back', 'openid')).tokens.claims().sub === sub, 'a registered app')

const dispatcher = new Agent({
  connect: { ca: readFileSync(CA), cert: readFileSync(CERT), key: readFileSync(KEY) },
})
const byCertificate = (url, options) => undiciFetch(url, { ...options, dispatcher })
const report = await client.discovery(server, 'report', undefined, client.TlsClientAuth(), {
  [client.customFetch]: byCertificate,
})
const granted = await client.clientCredentialsGrant(report, { scope: 'web:read' })
const said = await client.tokenIntrospection(report, granted.access_token)
check(said.active === true && said.cnf['x5t#S256'] && said.scope === 'web:read', 'the token is the workload\'s')
await client.tokenRevocation(report, granted.access_token)
check((await client.tokenIntrospection(report, granted.access_token)).active === false, 'revoked')
console.log(JSON.stringify({ judge: 'openid-client', sub }))
