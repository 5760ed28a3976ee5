#!/usr/bin/env bash
# Builds a checkout of the B-Dashboard frontend with its own package manager,
# starts its server on loopback, and bdash with the gateway in front of it.
#
#   FRONTEND_DIR   the checkout (required); nothing in it is changed but what
#                  its own build writes
#   FRONTEND_PORT  where its server listens on 127.0.0.1 (3000)
#   REBUILD=1      builds although there is a build
#   BDASH          the bdash to start (bin/bdash)
#
# All settings of bdash count, such as GATEWAY_ADDR. Needs Node.
set -euo pipefail

if [ -z "${FRONTEND_DIR:-}" ]; then
  echo "Say where the checkout of the frontend is: make frontend FRONTEND_DIR=../b-dashboard" >&2
  exit 2
fi
if ! [ -f "$FRONTEND_DIR/package.json" ]; then
  echo "FRONTEND_DIR: there is no package.json in $FRONTEND_DIR" >&2
  exit 2
fi
frontend=$(cd "$FRONTEND_DIR" && pwd)
port=${FRONTEND_PORT:-3000}
bdash=$(readlink -f "${BDASH:-bin/bdash}")

# The lock file says which package manager the frontend is kept with.
manager=npm install=ci
if [ -f "$frontend/pnpm-lock.yaml" ]; then
  manager=pnpm install="install --frozen-lockfile"
elif [ -f "$frontend/yarn.lock" ]; then
  manager=yarn install="install --frozen-lockfile"
elif [ -f "$frontend/bun.lock" ] || [ -f "$frontend/bun.lockb" ]; then
  manager=bun install="install --frozen-lockfile"
elif ! [ -f "$frontend/package-lock.json" ]; then
  install=install
fi
if ! command -v "$manager" >/dev/null; then
  echo "The frontend is kept with $manager, which is not installed." >&2
  exit 2
fi

if ! [ -d "$frontend/node_modules" ]; then
  # shellcheck disable=SC2086 # install is a word and its flags
  (cd "$frontend" && "$manager" $install)
fi
if [ -n "${REBUILD:-}" ] || ! [ -f "$frontend/.next/BUILD_ID" ]; then
  # Without NEXT_PUBLIC_API_URL the pages call /api on their own origin.
  (cd "$frontend" && env -u NEXT_PUBLIC_API_URL NEXT_TELEMETRY_DISABLED=1 "$manager" run build)
fi

if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  echo "Something listens on 127.0.0.1:$port already: set FRONTEND_PORT to another port." >&2
  exit 2
fi
(cd "$frontend" && exec env NODE_ENV=production NEXT_TELEMETRY_DISABLED=1 node_modules/.bin/next start -H 127.0.0.1 -p "$port") &
next=$!
trap 'kill "$next" 2>/dev/null || true; wait "$next" 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  if ! kill -0 "$next" 2>/dev/null; then
    echo "The frontend's server did not start." >&2
    exit 1
  fi
  sleep 0.2
done

gateway=${GATEWAY_ADDR:-:8080}
export FRONTEND_UPSTREAM="http://127.0.0.1:$port"
# Links in mails lead to the pages.
export FRONTEND_URL="${FRONTEND_URL:-http://localhost:${gateway##*:}}"
"$bdash" serve &
server=$!
trap 'kill "$server" "$next" 2>/dev/null || true; wait "$server" "$next" 2>/dev/null || true' EXIT
trap 'exit 0' INT TERM
# Whichever ends first ends the other.
wait -n "$server" "$next"
