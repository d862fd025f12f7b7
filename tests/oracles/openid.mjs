// OpenID providers configured as FranceConnect, FranceConnect+ and ProConnect are: pairwise subjects, eIDAS levels,
// ES256, signed (there encrypted) userinfo, forced login, short lives. One JSON job on stdin, then one JSON line
// on stdout with the issuers; ends when stdin closes.
import { createServer } from 'node:http';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import Provider, { errors } from 'oidc-provider';

console.warn = console.info = () => {};
const PREFIX = '/api/v2';
const PIVOT = ['given_name', 'given_name_array', 'family_name', 'birthdate', 'gender', 'birthplace', 'birthcountry'];

function makeKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: randomBytes(8).toString('hex') };
}

function configure(kind, job, jwks) {
  const isPro = kind === 'proconnect';
  const isPlus = kind === 'franceconnect-plus';
  const client = {
    ...job.client,
    response_types: ['code'],
    grant_types: ['authorization_code'],
    subject_type: 'pairwise',
    token_endpoint_auth_method: job.client.token_endpoint_auth_method ?? 'client_secret_post',
    id_token_signed_response_alg: 'ES256',
    userinfo_signed_response_alg: 'ES256',
  };
  if (isPlus) {
    Object.assign(client, {
      id_token_encrypted_response_alg: 'ECDH-ES', id_token_encrypted_response_enc: 'A256GCM',
      userinfo_encrypted_response_alg: 'ECDH-ES', userinfo_encrypted_response_enc: 'A256GCM',
    });
  }
  return {
    clients: [client],
    jwks: { keys: jwks },
    acrValues: isPlus ? ['eidas2', 'eidas3'] : ['eidas1', 'eidas2', 'eidas3', ...(job.acrs ?? [])],
    claims: {
      openid: ['sub'], acr: null, amr: null, ...(isPro
        ? { uid: ['uid'], siret: ['siret'], idp_id: ['idp_id'] }
        : { identite_pivot: PIVOT, email: ['email'], preferred_username: ['preferred_username'] }),
    },
    scopes: ['openid'],
    pkce: { required: () => true },
    subjectTypes: ['pairwise'],
    pairwiseIdentifier: (_ctx, account, { sectorIdentifier }) =>
      createHash('sha256').update(`${kind}:${sectorIdentifier}:${account}`).digest('hex'),
    findAccount: (_ctx, id) => (job.accounts[id] ? { accountId: id, claims: () => ({ sub: id, ...job.accounts[id] }) } : undefined),
    interactions: { url: (_ctx, interaction) => `${PREFIX}/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      jwtUserinfo: { enabled: true },
      claimsParameter: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      encryption: { enabled: isPlus },
    },
    enabledJWA: {
      idTokenEncryptionAlgValues: ['ECDH-ES', 'RSA-OAEP'], userinfoEncryptionAlgValues: ['ECDH-ES', 'RSA-OAEP'],
      idTokenEncryptionEncValues: ['A256GCM'], userinfoEncryptionEncValues: ['A256GCM'],
    },
    ttl: { AuthorizationCode: 30, AccessToken: 60, IdToken: 60, Session: 1800, Interaction: 600, Grant: 1800 },
    cookies: { keys: ['test'] },
    routes: { authorization: '/authorize', token: '/token', userinfo: '/userinfo', jwks: '/jwks', end_session: '/session/end' },
  };
}

function body(req) {
  return new Promise((resolve) => {
    let text = '';
    req.on('data', (part) => { text += part; });
    req.on('end', () => resolve(new URLSearchParams(text)));
  });
}

// The page of FranceConnect and its identity provider in one: who, how surely, or go back.
async function interact(provider, req, res) {
  const details = await provider.interactionDetails(req, res);
  if (req.method === 'GET' && details.prompt.name === 'login') {
    res.setHeader('content-type', 'text/html');
    return res.end(`<form method="post" action="${req.originalUrl}"><input name="account"><input name="acr"><input name="amr"><input name="cancel"></form>`);
  }
  const form = req.method === 'POST' ? await body(req) : new URLSearchParams();
  if (form.get('cancel')) {
    return provider.interactionFinished(req, res, { error: form.get('cancel'), error_description: 'refused' }, { mergeWithLastSubmission: false });
  }
  if (details.prompt.name === 'login') {
    const login = { accountId: form.get('account'), acr: form.get('acr') || undefined, amr: form.get('amr') ? form.get('amr').split(' ') : undefined };
    return provider.interactionFinished(req, res, { login }, { mergeWithLastSubmission: false });
  }
  const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
  grant.addOIDCScope(details.params.scope);
  grant.addOIDCClaims(['acr', 'amr']);
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

async function serve(kind, job) {
  let keys = [makeKey()];
  let provider;
  const server = createServer((req, res) => {
    req.originalUrl = req.url;
    if (req.url === '/control/rotate') { // new keys, as after a yearly change
      keys = [makeKey()];
      provider = build();
      return res.end('done');
    }
    if (!req.url.startsWith(PREFIX)) { res.statusCode = 404; return res.end(); }
    req.url = req.url.slice(PREFIX.length);
    if (req.url.startsWith('/interaction/')) {
      return interact(provider, req, res).catch((error) => { res.statusCode = 500; res.end(String(error)); });
    }
    return provider.callback()(req, res);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${server.address().port}${PREFIX}`;
  const build = () => new Provider(issuer, configure(kind, job, keys));
  provider = build();
  return issuer;
}

const lines = createInterface({ input: process.stdin });
lines.once('line', async (line) => {
  const jobs = JSON.parse(line);
  const issuers = {};
  for (const [kind, job] of Object.entries(jobs)) issuers[kind] = await serve(kind, job);
  process.stdout.write(`${JSON.stringify(issuers)}\n`);
});
lines.once('close', () => process.exit(0));
void errors;
