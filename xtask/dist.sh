#!/bin/sh
# The programs as they are meant to ship, in target/dist/bin. The guard, which is on the way of every request, is built to be
# watched, loaded as the race loads it, and built anew as one whole with what was seen (profile-guided and link-time
# optimisation): two builds, each slower than a common one.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
target="$PWD/target"
seen="$target/dist-seen"

# It has to be of the compiler's own LLVM: rustup's component, or Debian's package.
merge=""
for candidate in "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" "llvm-profdata-$llvm"; do
  if command -v "$candidate" >/dev/null 2>&1; then
    merge=$candidate
    break
  fi
done
if [ -z "$merge" ]; then
  echo "missing: llvm-profdata of LLVM $llvm, for example: rustup component add llvm-tools, or apt-get install llvm-$llvm" >&2
  exit 1
fi

guard() { # folder, flags: with --target, so that they do not reach what runs while building
  RUSTFLAGS=$2 cargo build --profile dist --target "$host" --target-dir "$target/dist-$1" --package bartizan-proxy
}

into() { # folder, guard
  mkdir -p "$1"
  cp target/release/bartizan "$1/bartizan"
  cp "$target/dist-$2/$host/dist/bartizan-proxy" "$1/bartizan-proxy"
}

load() { # racer, cases
  BARTIZAN="$seen/bin/bartizan" python3 benches/dataplane/race.py --only "$1" --case "$2" --rounds 1 --seconds 3 --no-file
}

guard watched "-Cprofile-generate=$seen"
rm -rf "$seen"
into "$seen/bin" watched
load ours pair-h1-1,pair-h1-32,pair-h1-32-post,pair-open-1000,pair-h2-2x16,gateway-h1-32,handshakes,bulk
load ours-users gateway-users-h1-32
"$merge" merge --output "$seen/all.profdata" "$seen"/*.profraw
# What was not loaded is built small; that it was not seen is no news.
rm -rf "$target/dist-guided" # cargo does not see that the profile is another one
guard guided "-Cprofile-use=$seen/all.profdata -Cllvm-args=-pgo-warn-missing-function=false"
into "$target/dist/bin" guided
echo "target/dist/bin: bartizan, bartizan-proxy"
