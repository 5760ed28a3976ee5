#!/usr/bin/env bash
# Checks what bdash is deployed with, without a container engine or a cluster:
# the Dockerfile, the compose files, the Helm chart with its switches on and
# off against the schemas of Kubernetes, and the systemd unit where systemd is.
# Needs Go, Node and npm.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

# The versions of the tools; the last schemas that kubectl-validate embeds are those of kubernetes.
helm="go run helm.sh/helm/v3/cmd/helm@v3.22.0"
validate="go run sigs.k8s.io/kubectl-validate@v0.0.4"
compose="go run github.com/compose-spec/compose-go/v2/cmd@v2.16.2"
kubernetes=1.30

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CGO_ENABLED=0

if ! [ "$here/node_modules/.package-lock.json" -nt "$here/package-lock.json" ]; then
  (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
fi
"$here/node_modules/.bin/dockerfile-utils" lint Dockerfile
echo "Dockerfile: fine"

for file in docker-compose*.yml; do
  $compose "$file" >"$work/compose.yaml"
  echo "$file: fine"
done

$helm lint --strict --quiet deploy/k8s/bdash
everything=ingress.enabled=true,ingress.tlsSecret=tls,ingress.className=nginx,image.tag=1,config.PUBLIC_URL=https://x.example
nothing=server.autoscaling.enabled=false,metrics.enabled=false,podDisruptionBudget.enabled=false,migration.enabled=false
for values in image.tag= "$everything" "$nothing"; do
  $helm template release deploy/k8s/bdash --kube-version $kubernetes --set "$values" >"$work/chart.yaml"
  $validate --version $kubernetes "$work/chart.yaml"
done
echo "deploy/k8s/bdash: fine"

if command -v systemd-analyze >/dev/null; then
  # It complains where the binary is not installed; nothing else may be wrong.
  systemd-analyze verify deploy/systemd/bdash.service 2>&1 | grep -v 'is not executable' | grep bdash.service && exit 1
  echo "deploy/systemd/bdash.service: fine"
fi
