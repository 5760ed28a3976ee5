#!/usr/bin/env bash
# Lints an OpenAPI document: run.sh FILE. Needs Node 20.19 or newer and npm; the
# linters, at the versions of package-lock.json, are installed beside this
# script when they are not there yet. Warnings fail, too.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 FILE" >&2; exit 2; }
file=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v npm >/dev/null || { echo "$0: npm is missing; install Node.js 20.19 or newer" >&2; exit 1; }

# The copy of the lock file that npm leaves in node_modules says what is there.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi

export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
status=0
node_modules/.bin/redocly lint --config redocly.yaml "$file" || status=1
node_modules/.bin/spectral lint --ruleset spectral.yaml --fail-severity warn "$file" || status=1
exit $status
