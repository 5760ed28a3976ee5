# `make help` lists what can be done. A machine with Go and nothing else can
# run `make run` and `make test`; the rest says what it needs.

# Tools, each at one version, built and kept by Go itself.
GOLANGCI    := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
SQLC        := go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)

# What to test, and how: make test PKG=./internal/theme TESTFLAGS='-run Create -v'
PKG       ?= ./...
TESTFLAGS ?=
FUZZTIME  ?= 10s

# The services of test-postgres.
TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable
TEST_REDIS_URL    ?= redis://127.0.0.1:6379/0
TEST_MYSQL_URL    ?=

# No C compiler is needed, except for the race detector.
export CGO_ENABLED := 0

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build bin/bdash
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/bdash ./cmd/bdash

.PHONY: run
run: ## Start the server on http://localhost:8000, with everything in ./data
	go run -ldflags '$(LDFLAGS)' ./cmd/bdash serve

.PHONY: frontend
frontend: build ## Build the frontend in FRONTEND_DIR and start it with bdash behind it, on http://localhost:8080 (needs Node)
	@FRONTEND_DIR='$(FRONTEND_DIR)' tools/frontend/run.sh

.PHONY: test
test: ## Run the tests: SQLite, memory, nothing else needed
	@env -u TEST_DATABASE_URL -u TEST_REDIS_URL -u TEST_MYSQL_URL go test $(TESTFLAGS) $(PKG)

.PHONY: test-race
test-race: ## The same with the race detector (needs a C compiler)
	@env -u TEST_DATABASE_URL -u TEST_REDIS_URL -u TEST_MYSQL_URL CGO_ENABLED=1 go test -race $(TESTFLAGS) $(PKG)

.PHONY: test-postgres
test-postgres: ## The same on PostgreSQL and Redis at TEST_DATABASE_URL and TEST_REDIS_URL, and MariaDB at TEST_MYSQL_URL if given
	@TEST_DATABASE_URL='$(TEST_DATABASE_URL)' TEST_REDIS_URL='$(TEST_REDIS_URL)' TEST_MYSQL_URL='$(TEST_MYSQL_URL)' go test $(TESTFLAGS) $(PKG)

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (10s)
	@grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do \
		grep -oE '^func Fuzz[A-Za-z0-9_]*' "$$file" | while read -r _ target; do \
			echo "fuzz: $$target in $$(dirname "$$file")"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
		done; \
	done

.PHONY: bench
bench: ## bdash beside its bare twin: SQLite always, PostgreSQL and Redis where TEST_DATABASE_URL and TEST_REDIS_URL are given (Linux)
	go test -count=1 -v -timeout 60m -tags bench $(TESTFLAGS) ./internal/bench

.PHONY: load
load: ## 2,000 WebSockets and 2,000 event streams at once; with Redis too where TEST_DATABASE_URL and TEST_REDIS_URL are given
	go test -count=1 -v -timeout 10m -tags load -run '^TestLoad$$' $(TESTFLAGS) ./internal/bench

.PHONY: test-web
test-web: build ## Events with centrifuge's SDK and a browser (needs Node and Chromium)
	e2e/clients/run.sh bin/bdash

.PHONY: cover
cover: ## Coverage over all packages, into cover.out
	go test -coverprofile=cover.out -coverpkg=./cmd/...,./internal/... $(TESTFLAGS) $(PKG)
	@go tool cover -func=cover.out | tail -n 1

.PHONY: lint
lint: ## Lint, and tell what is not formatted
	$(GOLANGCI) run $(PKG)

.PHONY: lint-openapi
lint-openapi: ## Lint docs/openapi.yaml (needs Node)
	tools/openapi-lint/run.sh docs/openapi.yaml

.PHONY: lint-deploy
lint-deploy: ## Check the Dockerfile, the compose files, the Helm chart and the systemd unit (needs Node)
	tools/deploy-lint/run.sh

.PHONY: vuln
vuln: ## Look the dependencies up in Go's vulnerability database
	$(GOVULNCHECK) $(PKG)

.PHONY: fmt
fmt: ## Format the code
	gofmt -s -w $(wildcard cmd internal)

.PHONY: generate
generate: ## Write every generated file anew
	$(SQLC) generate -f internal/sqlstore/sqlc.yaml
	go generate ./...

# The work happens in a copy, so that looking changes nothing and files that
# are not committed yet count as they are.
.PHONY: verify
verify: ## Tell whether go.mod and the generated files are fresh
	go mod tidy -diff
	@copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	mkdir "$$copy/old" "$$copy/new"; \
	git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do \
		if [ -e "$$f" ]; then printf '%s\0' "$$f"; fi; done >"$$copy/files"; \
	tar --null -T "$$copy/files" -cf "$$copy/tree.tar"; \
	tar -xf "$$copy/tree.tar" -C "$$copy/old"; \
	tar -xf "$$copy/tree.tar" -C "$$copy/new"; \
	$(MAKE) --no-print-directory -C "$$copy/new" generate; \
	diff -r "$$copy/old" "$$copy/new" || { echo "generated files are not fresh: run make generate"; exit 1; }

.PHONY: clean
clean: ## Remove what builds and tests left behind; ./data stays
	rm -rf bin cover.out
