#!/usr/bin/env bash
# scripts/run.sh SERVER [ARGUMENT…]: starts the server with the shipped configuration and says where to look.
set -euo pipefail
cd "$(dirname "$0")/.."
server=$1
shift
# The server's first line is JSON with the addresses it bound; what follows passes through.
exec "$server" serve --config config/crescendo.toml "$@" > >(sed -u \
  -e '1s|.*"https":"\([^"]*\)".*|\n  Crescendo is up: open https://\1/\n|' \
  -e '1s|.*"http":"\([^"]*\)".*|\n  Crescendo is up: open http://\1/\n|')
