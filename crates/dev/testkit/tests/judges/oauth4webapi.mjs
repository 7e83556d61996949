// oauth4webapi, the strictest of the clients, looks at each answer by itself: every process* function throws where the specification is
// not kept to.

import { Browser, check, judge } from './browser.mjs'

const oauth = await judge('oauth4webapi/build/index.js')
const { ISSUER } = process.env
const issuer = new URL(ISSUER)
const redirect = 'https://shop.own.test/back'

for (const algorithm of ['oidc', 'oauth2']) {
  await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm }))
}
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer))
const client = { client_id: 'shop' }
const none = oauth.None()

/** What is asked is asked again where a nonce is wanted. */
async function withNonce(ask, process) {
  const first = await ask()
  try {
    return [await process(first), false]
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return [await process(await ask()), true]
  }
}

async function signIn(browser, pushed, parameters) {
  const key = await oauth.generateKeyPair('ES256')
  const DPoP = oauth.DPoP(client, key)
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce()]
  const request = new URLSearchParams({
    client_id: client.client_id, response_type: 'code', redirect_uri: redirect, state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...parameters,
  })
  const to = new URL(as.authorization_endpoint)
  if (pushed) {
    const [{ request_uri }, asked] = await withNonce(
      () => oauth.pushedAuthorizationRequest(as, client, none, request, { DPoP }),
      (answer) => oauth.processPushedAuthorizationResponse(as, client, answer))
    check(asked, 'the server wants a nonce of its own')
    to.search = new URLSearchParams({ client_id: client.client_id, request_uri })
  } else {
    to.search = request
  }
  // Checks `iss` and `state`, and that nothing else came.
  const back = oauth.validateAuthResponse(as, client, new URL(await browser.go(to)), state)
  const [tokens] = await withNonce(
    () => oauth.authorizationCodeGrantRequest(as, client, none, back, redirect, verifier, { DPoP }),
    (answer) => oauth.processAuthorizationCodeResponse(as, client, answer, {
      expectedNonce: nonce, requireIdToken: true, maxAge: parameters.max_age && Number(parameters.max_age),
    }))
  return { tokens, DPoP }
}

const browser = new Browser()
const { tokens, DPoP } = await signIn(browser, true, { scope: 'openid profile web:read', max_age: '3600' })
const claims = oauth.getValidatedIdTokenClaims(tokens)
check(claims.sid && claims.acr && Array.isArray(claims.amr) && claims.at_hash && claims.auth_time, 'the claims are there')

const [who] = await withNonce(
  () => oauth.userInfoRequest(as, client, tokens.access_token, { DPoP }),
  (answer) => oauth.processUserInfoResponse(as, client, claims.sub, answer))
check(who.name, 'userinfo has a name')

const [next] = await withNonce(
  () => oauth.refreshTokenGrantRequest(as, client, none, tokens.refresh_token, { DPoP }),
  (answer) => oauth.processRefreshTokenResponse(as, client, answer))
// A client that lost the answer asks again, and gets the same.
const [same] = await withNonce(
  () => oauth.refreshTokenGrantRequest(as, client, none, tokens.refresh_token, { DPoP }),
  (answer) => oauth.processRefreshTokenResponse(as, client, answer))
check(next.refresh_token === same.refresh_token, 'a lost answer comes again')

// The access token as RFC 9068 has it, judged by a resource server.
const request = new Request('https://api.own.test/', {
  headers: { authorization: `DPoP ${next.access_token}`, dpop: await proofFor(next.access_token) },
})
async function proofFor(token) {
  const headers = new Headers()
  await DPoP.addProof(new URL('https://api.own.test/'), headers, 'GET', token)
  return headers.get('dpop')
}
const verified = await oauth.validateJwtAccessToken(as, request, 'https://api.own.test', { requireDPoP: true })
check(verified.sub === claims.sub && verified.roles?.includes('teller'), 'the access token is one of RFC 9068')

await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, none, next.refresh_token))

const silent = await signIn(browser, false, { scope: 'openid web:read', prompt: 'none' })
check(oauth.getValidatedIdTokenClaims(silent.tokens).sub === claims.sub, 'signed in already, without a page')

const device = await oauth.processDeviceAuthorizationResponse(
  as, client, await oauth.deviceAuthorizationRequest(as, client, none, new URLSearchParams({ scope: 'openid' })))
check((await browser.go(device.verification_uri, device.user_code)).includes('is connected'), 'the device is connected')
const [ofDevice] = await withNonce(
  () => oauth.deviceCodeGrantRequest(as, client, none, device.device_code, { DPoP }),
  (answer) => oauth.processDeviceCodeResponse(as, client, answer))
check(oauth.getValidatedIdTokenClaims(ofDevice).sub === claims.sub, 'the device has tokens')
console.log(JSON.stringify({ judge: 'oauth4webapi', sub: claims.sub }))
