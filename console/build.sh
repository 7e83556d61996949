#!/bin/sh
# Builds the pages into console/dist: libraries as package-lock.json has them, types checked, one script. Does nothing where that is done
# already for these very files; what is done is in console/dist/stamp.
set -eu
cd "$(dirname "$0")"
inputs="package.json package-lock.json tsconfig.json vite.config.ts index.html build.sh ../docs/manual/runbooks.md"
stamp() { { cat $inputs; find src -type f | LC_ALL=C sort | while read -r file; do echo "$file"; cat "$file"; done; } | sha256sum | cut -c1-64; }
exec 9>.build.lock
command -v flock >/dev/null 2>&1 && flock 9
now=$(stamp)
[ "$(cat dist/stamp 2>/dev/null)" = "$now" ] && exit 0
libraries=$(sha256sum package-lock.json | cut -c1-64)
if [ "$(cat node_modules/.stamp 2>/dev/null)" != "$libraries" ]; then
  echo "console: libraries"
  command -v npm >/dev/null 2>&1 || { echo "console: npm is not there; for example: apt-get install npm" >&2; exit 1; }
  npm ci --prefer-offline --no-audit --no-fund --ignore-scripts --silent --include=dev || {
    echo "console: npm cannot get the libraries of console/package-lock.json; a network is needed once" >&2
    exit 1
  }
  echo "$libraries" >node_modules/.stamp
fi
echo "console: pages"
there=$([ -f dist/index.html ] && echo yes || echo no)
node_modules/.bin/tsc --noEmit
node_modules/.bin/vite build
echo "$now" >dist/stamp
# Cargo cannot watch a folder that was not there when it looked last.
[ "$there" = yes ] || [ ! -f ../crates/planes/control/build.rs ] || touch ../crates/planes/control/build.rs
