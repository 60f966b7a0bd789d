# One module flag for every build, so that tests, the program and the lab share
# one build cache.
export GOFLAGS := -trimpath

.PHONY: help test lint

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/'

test: ## everything: unit tests of the program
	go vet ./...
	go test ./...

lint: ## formatting and vet
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	go vet ./...
