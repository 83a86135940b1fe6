# What a person types. Each target says what it does; `make` alone lists them.
#
#   PASSTHRU_LAB_KERNEL=6.12   another kernel in the lab (see crates/lab/src/settings.rs)
#   PASSTHRU_LAB_QEMU=/path    another QEMU
#   PASSTHRU_LAB_INNER_QEMU=/path  another one for the virtual machines inside the lab's host
#   PASSTHRU_LAB_ACCEL=tcg     never try KVM
#   PASSTHRU_LAB_PROOF=1       all of the scenarios that are otherwise a slice (make proof sets it)
#   YES=1                      agree to installing packages beforehand

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

HOST_TRIPLE := $(shell rustc -vV | sed -n 's/^host: //p')
TARGET := $(or $(CARGO_TARGET_DIR),target)
BINARIES := $(abspath $(TARGET))/$(HOST_TRIPLE)/release
PASSTHRU := $(BINARIES)/passthru
LAB := $(BINARIES)/passthru-lab
# Static: the same binary starts on every distribution and in early boot.
STATIC := --release --locked --target $(HOST_TRIPLE) \
	--config 'target.$(HOST_TRIPLE).rustflags=["-C","target-feature=+crt-static"]'

export PASSTHRU_LAB_DIR ?= $(CURDIR)/target/lab
# How long `make proof` fuzzes each target, in seconds.
FUZZ_SECONDS ?= 600

.PHONY: help build demo test proof bench fuzz clean prepare lab-test \
	check-format check-lints check-tests check-lab

help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))

## make build   the passthru binary, static, in target/<triple>/release
build:
	@echo "== building passthru and its lab (release, static)"
	cargo build $(STATIC) -p passthru -p passthru-lab
	echo "built $(PASSTHRU)"

# What demo and tests need from the system: says what is missing before it installs.
prepare:
	@scripts/install-packages
	mkdir -p "$(PASSTHRU_LAB_DIR)"
	scripts/fetch-kernel
	scripts/fetch-programs

## make demo    lends a disk to a virtual machine and gets it back, in a virtual host
demo: prepare build
	@echo "== demo"
	PASSTHRU_BIN="$(PASSTHRU)" "$(LAB)" demo

check-format:
	@echo "== formatting"
	cargo fmt --all --check

check-lints:
	@echo "== lints"
	cargo clippy --workspace --all-targets --locked -- -D warnings

check-tests:
	@echo "== tests without a virtual host"
	cargo test --workspace --exclude passthru-lab --locked --no-fail-fast

# Needs make prepare before.
check-lab:
	@echo "== the virtual host's own promises"
	cargo test -p passthru-lab --lib --bins --test lab --locked --no-fail-fast -- --test-threads=1

# Needs make prepare and make build before; ARGS picks scenarios by name, or --list.
lab-test:
	@echo "== scenarios in the virtual host"
	PASSTHRU_BIN="$(PASSTHRU)" PASSTHRU_LAB_BIN="$(LAB)" \
		cargo test --quiet -p passthru-lab --test scenarios --locked -- $(ARGS)

## make test    every change's tests: formatting, lints, tests, scenarios in a virtual host
test: prepare
	@MAKE="$(MAKE)" scripts/test

## make proof   everything in test, and what takes longer; remembers when it last passed
proof:
	@MAKE="$(MAKE)" FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/proof

## make fuzz    fuzzes the parsers; FUZZ_SECONDS for each target
fuzz:
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

## make bench   compares list with lspci, and in the lab bind and release with other tools
# scripts/install-packages --peers installs those; ARGS="--only bind --write" writes docs/bench.md.
bench: prepare build
	@cargo xtask bench $(ARGS)

## make clean   removes everything built, the lab's kernels included
clean:
	@cargo clean
	rm -rf target
