'use strict';
// Fills the form of this page with what an authenticator answers, and sends it. Everything else the server does.
(() => {
  const form = document.getElementById('passkey');
  if (!form || !window.PublicKeyCredential) return;
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const said = form.dataset;
  const listed = (said.ids || '').split(' ').filter((id) => id).map((id) => ({ type: 'public-key', id: bytes(id) }));
  const put = (name, value) => {
    form.elements.namedItem(name).value = value;
  };
  const get = async () => {
    const { rawId, response } = await navigator.credentials.get({
      publicKey: {
        challenge: bytes(said.challenge),
        rpId: said.rp,
        userVerification: said.verification,
        allowCredentials: listed,
      },
    });
    put('id', text(rawId));
    put('user', response.userHandle ? text(response.userHandle) : '');
    put('client_data', text(response.clientDataJSON));
    put('auth_data', text(response.authenticatorData));
    put('signature', text(response.signature));
  };
  const create = async () => {
    const { response } = await navigator.credentials.create({
      publicKey: {
        challenge: bytes(said.challenge),
        rp: { id: said.rp, name: said.name },
        user: { id: bytes(said.user), name: said.account, displayName: said.display },
        pubKeyCredParams: [
          { type: 'public-key', alg: -7 },
          { type: 'public-key', alg: -8 },
        ],
        attestation: 'none',
        excludeCredentials: listed,
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
      },
    });
    put('client_data', text(response.clientDataJSON));
    put('attestation', text(response.attestationObject));
  };
  const note = form.querySelector('[role="status"]');
  form.querySelector('button').addEventListener('click', async () => {
    note.textContent = '';
    try {
      await (said.do === 'create' ? create() : get());
      form.submit();
    } catch {
      note.textContent = 'No passkey was used.';
    }
  });
  form.hidden = false;
})();
