# `make` lists the targets. NGINX=debian (the default) or NGINX=1.28 chooses the nginx to build for.

NGINX ?= debian
CARGO ?= cargo
# What `make run` serves.
CONF ?= nginx-conf/hello.conf

OBJS := $(CURDIR)/objs
# One nginx source for all: 1.28 is built from it, and unit tests link some of nginx's own files.
NGINX_CORE_SRC := $(OBJS)/nginx-src

ifeq ($(NGINX),debian)
NGINX_SOURCE_DIR := /usr/share/nginx/src
NGINX_BUILD_DIR := $(OBJS)/nginx-debian
CARGO_TARGET_DIR := $(CURDIR)/target
NGINX_BINARY = $(or $(shell command -v nginx),/usr/sbin/nginx)
else ifeq ($(NGINX),1.28)
NGINX_SOURCE_DIR := $(NGINX_CORE_SRC)
NGINX_BUILD_DIR := $(OBJS)/1.28
CARGO_TARGET_DIR := $(CURDIR)/target/nginx-1.28
NGINX_BINARY = $(NGINX_BUILD_DIR)/nginx
else
$(error NGINX=$(NGINX): NGINX=debian and NGINX=1.28 are known)
endif

# The module for $(NGINX). The last one built is also at objs/, where the example configurations look for it.
MODULE := $(NGINX_BUILD_DIR)/ngx_http_lua_module.so

# nginx takes an environment variable NGINX for sockets it is to inherit.
unexport NGINX
export NGINX_SOURCE_DIR NGINX_BUILD_DIR NGINX_CORE_SRC CARGO_TARGET_DIR
# What t/ and the tests of the built module run with.
TEST_ENV = TEST_NGINX_BINARY="$(NGINX_BINARY)" TEST_NGINX_LOAD_MODULES="$(MODULE)" \
	TEST_NGINX_FIXTURE="$(NGINX_BUILD_DIR)/fixture"

# Every tests/*.rs but the suite and fuzz, which need nginx; a test is a file there or a folder with a main.rs.
RUST_TESTS = $(filter-out suite fuzz,$(notdir $(basename $(wildcard tests/*.rs)) $(patsubst %/main.rs,%,$(wildcard tests/*/main.rs))))

.DEFAULT_GOAL := help
.PHONY: help run build check unit tidy test suite smoke fuzz bench memcheck soak bless ci setup setup-% clean

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  NGINX=debian|1.28 (now $(NGINX)) chooses the nginx; the distribution's is the default."

run: build ## Build, and serve CONF (nginx-conf/hello.conf) on 127.0.0.1:8080
	@echo "Serving $(CONF) with $(NGINX_BINARY); stop it with Ctrl-C. Try:"
	@sed -n 's/^#   \$$ /    /p' "$(CONF)"
	@exec tools/nginx-run "$(NGINX_BINARY)" "$(CURDIR)" "$(CONF)"

build: setup ## Build objs/ngx_http_lua_module.so
	$(CARGO) build --release --lib
	@tools/install-module "$(CARGO_TARGET_DIR)/release/libngx_http_lua_module.so" "$(MODULE)"
	@tools/install-module "$(MODULE)" "$(OBJS)/ngx_http_lua_module.so"

check: setup ## Formatting, clippy, tidy
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	@$(MAKE) --no-print-directory tidy

unit: setup ## Unit tests
	$(CARGO) test --lib

tidy: build
	$(if $(RUST_TESTS),$(TEST_ENV) $(CARGO) test $(addprefix --test ,$(RUST_TESTS)))

# One goal after the other, also under -j: cargo runs are parallel in themselves.
ifeq ($(T),)
test: ## Everything: check, unit, t/, smoke. T=t/api/time runs only that part of t/
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory suite
	@$(MAKE) --no-print-directory smoke
else
test: suite
endif

suite: build fixture
	$(TEST_ENV) $(CARGO) test --test suite -- $(T)

smoke: build ## Start every example of nginx-conf/ and check its answers
	@tools/smoke "$(NGINX_BINARY)" "$(MODULE)"

fuzz: build ## SECONDS=60 of random programs, requests and texts; FUZZ_SEED repeats what failed
	FUZZ_SECONDS=$(or $(SECONDS),60) $(TEST_ENV) $(CARGO) test --test fuzz
	FUZZ_SECONDS=2 $(CARGO) test --lib -- fuzz conf::block nginx::raw_header

bench: build setup-bench ## Instructions a request: floor, C, ours. BENCH=hello selects rows, BLESS=1 rewrites README
	BENCH_NGINX="$(NGINX_BINARY)" BENCH_MODULES="$(MODULE)" $(CARGO) bench --bench instructions -- $(if $(BENCH),"$(BENCH)")

# C modules that t/ loads beside the module.
.PHONY: fixture
fixture: setup
	@tools/fixture "$(NGINX_SOURCE_DIR)" "$(NGINX_BUILD_DIR)"

memcheck: build fixture setup-memcheck ## t/ under valgrind's memcheck. T= as for test
	$(TEST_ENV) TEST_NGINX_USE_VALGRIND=1 $(CARGO) test --test suite -- $(T)

soak: build setup-soak ## SECONDS=600 of mixed load with client aborts and HUPs
	@tools/soak "$(NGINX_BINARY)" "$(MODULE)" "$(or $(SECONDS),600)"

bless: setup ## Rewrite the tables in docs/ from the source
	$(if $(wildcard tests/docs.rs),BLESS=1 $(CARGO) test --test docs,@echo "nothing to rewrite yet")

ci: ## What CI runs: test, t/ and smoke with nginx 1.28, fuzz, a ./configure build, a clean tree
	@$(MAKE) --no-print-directory test NGINX=debian T=
	@$(MAKE) --no-print-directory suite smoke NGINX=1.28 T=
	@$(MAKE) --no-print-directory fuzz NGINX=debian SECONDS=120
	@$(MAKE) --no-print-directory configure-check NGINX=1.28
	@$(MAKE) --no-print-directory build NGINX=debian
	@tools/clean-tree

# Not in the list: what ci calls once.
.PHONY: configure-check
configure-check: setup
	@tools/configure-check "$(NGINX_CORE_SRC)" "$(OBJS)/configure-check"

setup: setup-build ## Install missing packages, prepare nginx's headers (done by the others as needed)
	@tools/nginx-source "$(NGINX_CORE_SRC)"
ifeq ($(NGINX),debian)
	@tools/nginx-debian "$(NGINX_BUILD_DIR)"
else
	@tools/nginx-release "$(NGINX_CORE_SRC)" "$(NGINX_BUILD_DIR)"
endif

setup-%:
	@tools/packages $*

clean: ## Remove everything that was built
	rm -rf objs target
