// An OpenID provider that others wrote (oidc-provider, a certified one), at which the gateway is a client with a secret.
//
// What its people may be changes with POST /test/groups, and POST /test/forget takes back what was granted.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { pathToFileURL } from 'node:url';

const { ISSUER, PORT, ORIGIN, SECRET, CERT, KEY, JUDGES } = process.env;
const { default: Provider } = await import(pathToFileURL(`${JUDGES}/oidc-provider/lib/index.js`));
const { generateKeyPair, exportJWK } = await import(pathToFileURL(`${JUDGES}/jose/dist/webapi/index.js`));

const { privateKey } = await generateKeyPair('RS256', { extractable: true });
let groups = ['teller'];
const granted = new Set();
const provider = new Provider(ISSUER, {
  clients: [
    {
      client_id: 'bartizan',
      client_secret: SECRET,
      redirect_uris: [`${ORIGIN}/.bartizan/callback`],
      post_logout_redirect_uris: [`${ORIGIN}/.bartizan/logged-out`],
      backchannel_logout_uri: `${ORIGIN}/.bartizan/back-channel-logout`,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
  ],
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'k1' }] },
  features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
  pkce: { required: () => true },
  scopes: ['openid', 'profile', 'offline_access'],
  claims: { openid: ['sub'], profile: ['groups'] },
  conformIdTokenClaims: false,
  issueRefreshToken: () => true,
  // It does not speak to loopback addresses otherwise.
  fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
  ttl: { AccessToken: 12, Grant: 3600, IdToken: 600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
  cookies: { keys: ['only for tests'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups }) }),
});
provider.on('grant.success', (ctx) => granted.add(ctx.oidc.entities.Grant?.jti));
provider.on('backchannel.error', (_, error) => console.error('back-channel', error));
provider.on('server_error', (_, error) => console.error('server', error));
provider.use(async (ctx, next) => {
  if (ctx.path === '/test/groups') {
    groups = ['teller', 'auditor'];
    ctx.status = 204;
  } else if (ctx.path === '/test/forget') {
    for (const id of granted) await (await provider.Grant.find(id))?.destroy();
    ctx.status = 204;
  } else {
    await next();
  }
});
createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }, provider.callback()).listen(Number(PORT), '127.0.0.1', () => {
  console.log('ready');
});
