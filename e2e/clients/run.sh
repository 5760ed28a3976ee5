#!/usr/bin/env bash
# Drives a bdash with the clients that people use: run.sh PROGRAM. Needs Node
# 20.19 or newer, npm, and Chromium (CHROMIUM, by default /usr/bin/chromium); the
# clients, at the versions of package-lock.json, are installed beside this
# script when they are not there yet.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 PROGRAM" >&2; exit 2; }
BDASH=$(realpath "$1")
export BDASH CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v npm >/dev/null || { echo "$0: npm is missing; install Node.js 20.19 or newer" >&2; exit 1; }
[ -x "$CHROMIUM" ] || { echo "$0: $CHROMIUM is missing; install Chromium or set CHROMIUM" >&2; exit 1; }

if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
exec node --test --test-reporter=tap
