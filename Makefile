# Needs Go and git; all else is built from Go modules.

LAB    := state/bin/lab
IN     := $(LAB) exec --
RUN    := --stack dev --yes --skip-preview --non-interactive --suppress-outputs
LINT   := golangci-lint run ./...

# One way to build everything, also for Pulumi, so that all share one build cache.
# Nothing here needs a C compiler.
export GOFLAGS := -trimpath -buildvcs=false
export CGO_ENABLED := 0

.PHONY: help up preview down lab shell doctor test lint bench stack build $(LAB)

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s%s\n", $$1, $$2 }' Makefile

up: lab ## build what is missing, start the lab, deploy stack dev on it
	@$(LAB) lock
	@$(IN) go run ./cmd/recover dev
	@$(IN) pulumi up $(RUN)
	@$(LAB) summary

preview: lab ## show what make up would change
	@$(IN) pulumi preview --stack dev --non-interactive

# A mistake in the stack's file, which the first command tells, keeps nobody from
# destroying: pulumi destroy does not run the program.
down: build ## destroy stack dev and its data, stop the lab
	-@$(LAB) with-tools -- go run ./cmd/stack dev
	@$(LAB) up
	@$(LAB) lock
	@$(IN) go run ./cmd/recover dev
	@$(IN) pulumi state unprotect --all --stack dev --yes
	@$(IN) pulumi destroy $(RUN)
	@$(LAB) down --data

lab: build ## start the lab only
	@$(LAB) with-tools -- go run ./cmd/stack dev
	@$(LAB) up

shell: lab ## open a shell in which pulumi, kubeconfigs and VAULT_ADDR point at the lab
	@$(LAB) shell

doctor: $(LAB) ## tell what is missing here, what runs, and what to do
	@$(LAB) doctor

test: build ## run all tests, the last of them end to end in a lab of its own
	$(LAB) with-tools -- go test ./...
	cd lab && go test $$(go list ./... | grep -v /e2e$$)
	cd lab && go test -v -timeout 60m ./e2e

lint: ## check format and code
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	go vet ./... && go tool -modfile=lab/tools/golangci-lint/go.mod $(LINT)
	cd lab && go vet ./... && go tool -modfile=tools/golangci-lint/go.mod $(LINT)

bench: lab ## time a preview and an up without changes
	@$(LAB) bench

stack: build ## make the stack NAME: passphrase, CA, secrets, first config
	@$(LAB) with-tools -- go run ./cmd/stack $(ARGS) $(NAME)

build: $(LAB) ## build the tools and plugins that are missing
	@$(LAB) build

$(LAB):
	@for tool in go git; do command -v $$tool >/dev/null || { echo "$$tool is missing, please install it" >&2; exit 1; }; done
	@[ -e $(LAB) ] || echo "compiling the lab's own command"
	@go build -C lab -o ../$(LAB) ./cmd/lab
