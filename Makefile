# Needs Go and git; all else is built from Go modules.

# LAB=full runs the platform's controllers, LAB=thin plays them. Without it the lab
# stays as it was.
export LAB

COMMAND := state/bin/lab
IN      := $(COMMAND) exec --
RUN     := --stack dev --yes --skip-preview --non-interactive --suppress-outputs
LINT    := golangci-lint run ./...

# One way to build everything, also for Pulumi, so that all share one build cache.
# Nothing here needs a C compiler.
export GOFLAGS := -trimpath -buildvcs=false
export CGO_ENABLED := 0

.PHONY: help up preview down lab shell doctor test lint bench stack build $(COMMAND)

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s%s\n", $$1, $$2 }' Makefile

up: lab ## build what is missing, start the lab, deploy stack dev on it (LAB=full: with real controllers)
	@$(COMMAND) lock
	@$(IN) go run ./cmd/recover dev
	@$(IN) pulumi up $(RUN)
	@$(COMMAND) summary

preview: lab ## show what make up would change
	@$(IN) pulumi preview --stack dev --non-interactive

# A mistake in the stack's file, which the first command tells, keeps nobody from
# destroying: pulumi destroy does not run the program.
down: build ## destroy stack dev and its data, stop the lab
	-@$(COMMAND) with-tools -- go run ./cmd/stack dev
	@$(COMMAND) up
	@$(COMMAND) lock
	@$(IN) go run ./cmd/recover dev
	@$(IN) pulumi state unprotect --all --stack dev --yes
	@$(IN) pulumi destroy $(RUN)
	@$(COMMAND) down --data

lab: build ## start the lab only
	@$(COMMAND) with-tools -- go run ./cmd/stack dev
	@$(COMMAND) up

shell: lab ## open a shell in which pulumi, kubeconfigs and VAULT_ADDR point at the lab
	@$(COMMAND) shell

doctor: $(COMMAND) ## tell what is missing here, what runs, and what to do
	@$(COMMAND) doctor

test: build ## run all tests, the last of them end to end in a lab of its own
	$(COMMAND) with-tools -- go test ./...
	cd lab && go test $$(go list ./... | grep -v /e2e$$)
	cd lab && go test -v -timeout 60m ./e2e

lint: ## check format and code
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	go vet ./... && go tool -modfile=lab/tools/golangci-lint/go.mod $(LINT)
	cd lab && go vet ./... && go tool -modfile=tools/golangci-lint/go.mod $(LINT)

bench: lab ## time a preview and an up without changes
	@$(COMMAND) bench

stack: build ## make the stack NAME: passphrase, CA, secrets, first config
	@$(COMMAND) with-tools -- go run ./cmd/stack $(ARGS) $(NAME)

build: $(COMMAND) ## build the tools and plugins that are missing
	@$(COMMAND) build

$(COMMAND):
	@for tool in go git; do command -v $$tool >/dev/null || { echo "$$tool is missing, please install it" >&2; exit 1; }; done
	@[ -e $(COMMAND) ] || echo "compiling the lab's own command"
	@go build -C lab -o ../$(COMMAND) ./cmd/lab
