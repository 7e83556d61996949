#!/bin/sh
# Checks that the programs named as arguments are there; installs what Debian has, where that can be done without asking.
set -u
missing=""
for program in "$@"; do
  command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -z "$missing" ] && exit 0

package() {
  case "$1" in
    cc) echo build-essential ;;
    node) echo nodejs ;;
    npm) echo npm ;;
    redis-cli) echo redis-tools ;;
    h2load) echo nghttp2-client ;;
    softhsm2-util) echo softhsm2 ;;
    pkcs11-tool) echo opensc ;;
    ip) echo iproute2 ;;
    nft) echo nftables ;;
    promtool) echo prometheus ;;
    amtool) echo prometheus-alertmanager ;;
    logger) echo bsdutils ;;
    rsyslogd) echo rsyslog rsyslog-openssl ;;
    *) echo "$1" ;;
  esac
}
still=""
for program in $missing; do
  if [ "$program" != cargo ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing $program"
    # Unquoted: a program may need two packages.
    { apt-get install -y -q $(package "$program") || { apt-get update -q && apt-get install -y -q $(package "$program"); }; } >/dev/null 2>&1
  fi
  command -v "$program" >/dev/null 2>&1 || still="$still $program"
done
[ -z "$still" ] && exit 0

echo "missing:$still" >&2
case " $still " in *" cargo "*) echo "  cargo: install Rust 1.95 or newer, for example from https://rustup.rs" >&2 ;; esac
case " $still " in *" cc "*) echo "  cc: a C compiler, for example: apt-get install build-essential" >&2 ;; esac
for program in python3 node npm curl redis-server redis-cli openssl h2load faketime softhsm2-util pkcs11-tool nginx haproxy ip nft chromium prometheus promtool prometheus-alertmanager amtool logger rsyslogd kcat; do
  case " $still " in *" $program "*) echo "  $program: for example: apt-get install $(package $program)" >&2 ;; esac
done
exit 1
