# SPDX-License-Identifier: Apache-2.0
# A fresh machine needs python3 (3.10 or newer, with venv) and g++; the rest is fetched by pip into $(VENV).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help check test lint format test-cpp test-asan-python test-msan test-tsan test-arm fuzz coverage train evaluate bundle bundle-twice bench soak sbom web web-demo web-test clean

PYTHON ?= python3
VENV ?= .venv
# The CPU build: make test TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
CLIP ?=
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
# The clips of the full test suite and of training; see tests/conftest.py.
AVGUARD_SHARED ?= $(abspath $(wildcard ../shared))
export AVGUARD_SHARED
# A spinning OpenMP pool slows two-core machines ten times and more.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= passive
# glibc gives large blocks back at every step of training and zeroes them again: a third of a step's time, measured.
train experiments: export MALLOC_MMAP_THRESHOLD_ ?= 8589934592
train experiments: export MALLOC_TRIM_THRESHOLD_ ?= 17179869184

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# -I: without it `python -m` would import avguard/ from here, where the compiled core is not, instead of the installed one.
RUN := $(BIN)/python -I -m
SOURCES := pyproject.toml $(shell find avguard cpp -type f -not -name '*.pyc' -not -name '*.so' -not -path '*/tests/*' -not -path '*/fuzz/*')
CPP_FILES = $(shell find cpp mobile_demo -name '*.cc' -o -name '*.h' -o -name '*.c' | grep -v -e third_party -e node_modules)
CPP_TESTS := $(wildcard cpp/tests/*.cc)
CPP_BUILD := build/cpp-tests
DEMO := build/demo.mp4

help:
	@echo "make check [CLIP=file]   install avguard into $(VENV) and check a clip (without CLIP: a synthesised one)"
	@echo "make test                linters, C++ tests under sanitizers, then the whole test suite"
	@echo "make fuzz [FUZZ_SECONDS=60]  the libFuzzer targets of cpp/fuzz, that long each; needs clang"
	@echo "make coverage            lines of cpp/src that C++ tests and fuzzed inputs reach; needs clang and llvm"
	@echo "make train | evaluate | bundle | bench | soak | sbom | lint | format | test-cpp | test-asan-python | test-msan | test-tsan | test-arm | clean"

# ---- environments: each stamp is newer than what it was made from
$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	@# Lets `python -I -m export.bundle` find export/ and tests/, behind every installed package.
	$(BIN)/python -c "import sysconfig, pathlib; \
	  pathlib.Path(sysconfig.get_path('purelib'), 'avguard-checkout.pth').write_text('$(CURDIR)\n')"
	@touch $@

$(VENV)/.package: $(VENV)/.created $(SOURCES)
	$(PIP) install .
	@touch $@

$(VENV)/.torch: $(VENV)/.created
	$(PIP) install $(TORCH)
	@touch $@

# Torch goes first and alone: named by another package, pip would take the newest build with its CUDA libraries.
$(VENV)/.tools: $(VENV)/.torch pyproject.toml
	$(PIP) install ".[test,train,export,evaluate,scan,provenance,distributed]"
	@touch $@ $(VENV)/.package

$(DEMO): $(VENV)/.created tests/make_demo.py
	$(PIP) install scikit-image av
	@mkdir -p $(@D)
	$(RUN) tests.make_demo $@

# ---- use
# 0 real, 1 fake, 2 inconclusive are verdicts; 3 and up are errors.
check: $(VENV)/.package $(if $(CLIP),,$(DEMO))
	$(BIN)/avguard check "$${CLIP:-$(DEMO)}" || test $$? -le 2

# ---- develop
# To work on the sources with quick rebuilds, in an environment of your own:
#   pip install scikit-build-core pybind11 "cmake>=3.28" ninja && pip install -e . --no-build-isolation
# Python is then read from here; after a change of cpp/ run the last command again, which compiles what changed.
test: $(VENV)/.tools $(VENV)/.package lint sbom $(if $(CPP_TESTS),test-cpp) $(if $(CI),test-asan-python test-msan test-tsan test-arm fuzz)
	@# What measures seconds runs alone, before the others. pytest says 5 where PYTEST_ARGS names none of it.
	$(BIN)/pytest -m wall_clock $(PYTEST_ARGS) || test $$? -eq 5
	$(BIN)/pytest -m "not wall_clock" -n $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP_FILES)

format: $(VENV)/.tools
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP_FILES)

test-cpp: $(VENV)/.tools
	$(BIN)/cmake -S cpp -B $(CPP_BUILD) -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPython_EXECUTABLE=$(abspath $(BIN))/python \
	  -DAVG_PYTHON=OFF -DAVG_TESTS=ON -DAVG_SANITIZE=address,undefined
	$(BIN)/cmake --build $(CPP_BUILD)
	$(BIN)/ctest --test-dir $(CPP_BUILD) --output-on-failure

# What crosses between Python and the core, on the core of that build: who looks at an array after its memory is gone.
# NumPy and the decoder's process have no sanitizer. Python has none either, nor any C++, so both runtimes are loaded first.
ASAN_SITE := $(CPP_BUILD)/site
test-asan-python: test-cpp $(VENV)/.package
	$(BIN)/cmake -S cpp -B $(CPP_BUILD) -DAVG_PYTHON=ON -Dpybind11_DIR="$$($(BIN)/python -m pybind11 --cmakedir)"
	$(BIN)/cmake --build $(CPP_BUILD) --target _core
	rm -rf $(ASAN_SITE) && mkdir -p $(ASAN_SITE) && cp -r avguard $(ASAN_SITE)/
	$(BIN)/cmake --install $(CPP_BUILD) --prefix $(ASAN_SITE)/avguard > /dev/null
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" PYTHONPATH=$(ASAN_SITE) \
	  ASAN_OPTIONS=detect_leaks=0:max_free_fill_size=1048576 \
	  $(BIN)/python -m pytest -q --capture=sys tests/core tests/media -k "test_lifetimes or test_audio or lent or leaves or kept"

CMAKE_ANY = $(BIN)/cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
  -DPython_EXECUTABLE=$(abspath $(BIN))/python
CMAKE_CPP = $(CMAKE_ANY) -S cpp -DAVG_PYTHON=OFF
# $(call needs,PROGRAM,TARGET): true where PROGRAM is there; where it is not, says so, and fails where CI is set.
needs = { command -v $(1) >/dev/null || { echo "!! $(2) did NOT run: $(1) is missing; .ci/packages installs it" >&2; \
  test -z "$${CI:-}" || exit 1; exit 0; }; }

# The tests with several threads, of a build of their own: nothing that another sanitizer saw can be linked with this one.
test-tsan: $(VENV)/.tools
	$(CMAKE_CPP) -B build/tsan -DCMAKE_BUILD_TYPE= -DCMAKE_CXX_FLAGS=-O1 -DAVG_TESTS=ON -DAVG_SANITIZE=thread
	$(BIN)/cmake --build build/tsan
	$(BIN)/ctest --test-dir build/tsan --output-on-failure

# Decisions on memory that nobody wrote. Without an engine, whose libraries no sanitizer has seen: sessions run on a host's.
test-msan: $(VENV)/.tools
	@$(call needs,clang++,$@); set -x; \
	$(CMAKE_CPP) -B build/msan -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE= \
	  -DCMAKE_CXX_FLAGS="-O1 -fsanitize-memory-track-origins -fsanitize-ignorelist=$(CURDIR)/cpp/tests/msan.ignore" \
	  -DAVG_TESTS=ON -DAVG_EXECUTORCH=OFF -DAVG_SANITIZE=memory; \
	$(BIN)/cmake --build build/msan; $(BIN)/ctest --test-dir build/msan --output-on-failure

# qemu runs what is built here. On 64-bit ARM the stations and the camera, whose verdict is compared with that of
# avguard.check; on 32-bit ARM, without an engine, the stations and sessions on a host's engine; and what of sound and
# pictures a Cortex-M without an operating system can do, with its size and stack.
ARM_TOOLS := aarch64-linux-gnu-g++ arm-linux-gnueabihf-g++ arm-none-eabi-g++ qemu-aarch64 qemu-system-arm
AARCH64 := -DCMAKE_TOOLCHAIN_FILE=$(CURDIR)/cpp/cmake/toolchains/aarch64-linux-gnu.cmake -DCMAKE_BUILD_TYPE=Release
test-arm: $(VENV)/.tools $(VENV)/.package
	@$(foreach tool,$(ARM_TOOLS),$(call needs,$(tool),$@);) set -x; \
	$(CMAKE_CPP) -B build/aarch64 $(AARCH64) -DAVG_TESTS=ON -DAVG_SDK=ON -DAVG_LTO=OFF -DCMAKE_INSTALL_LIBDIR=lib; \
	$(BIN)/cmake --build build/aarch64; $(BIN)/ctest --test-dir build/aarch64 --output-on-failure; \
	$(BIN)/cmake --install build/aarch64 --prefix build/aarch64/prefix; \
	$(CMAKE_ANY) -S cpp/examples/camera -B build/aarch64/camera $(AARCH64) -DCMAKE_PREFIX_PATH=$(CURDIR)/build/aarch64/prefix; \
	$(BIN)/cmake --build build/aarch64/camera; \
	$(CMAKE_CPP) -B build/armhf -DCMAKE_TOOLCHAIN_FILE=cmake/toolchains/arm-linux-gnueabihf.cmake \
	  -DCMAKE_BUILD_TYPE=Release -DAVG_TESTS=ON -DAVG_LTO=OFF -DAVG_EXECUTORCH=OFF; \
	$(BIN)/cmake --build build/armhf; $(BIN)/ctest --test-dir build/armhf --output-on-failure; \
	$(CMAKE_ANY) -S cpp/tests/cortex_m -B build/cortex-m -DCMAKE_BUILD_TYPE=MinSizeRel \
	  -DCMAKE_TOOLCHAIN_FILE=$(CURDIR)/cpp/cmake/toolchains/arm-none-eabi.cmake; \
	$(BIN)/cmake --build build/cortex-m; \
	$(BIN)/pytest tests/native/check_arm.py

FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst cpp/fuzz/%.cc,%,$(wildcard cpp/fuzz/*_fuzzer.cc))
# Two at a time. What a target finds lies in build/fuzz/TARGET-crash-*, and the log beside it.
fuzz: $(VENV)/.tools
	@$(call needs,clang++,$@); set -x; \
	$(CMAKE_CPP) -B build/fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	  -DAVG_FUZZ=ON -DAVG_SANITIZE=address,undefined,fuzzer-no-link; \
	$(BIN)/cmake --build build/fuzz; \
	printf '%s\n' $(FUZZERS) | xargs -P 2 -I T $(BIN)/python cpp/fuzz/run.py build/fuzz T $(FUZZ_SECONDS)

# The inputs are those that `make fuzz` found before.
coverage: $(VENV)/.tools
	@$(call needs,clang++,$@); $(call needs,llvm-cov,$@); set -x; \
	$(CMAKE_CPP) -B build/coverage -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE= \
	  -DCMAKE_CXX_FLAGS="-O1 -g -fprofile-instr-generate -fcoverage-mapping" -DAVG_TESTS=ON -DAVG_FUZZ=ON \
	  -DAVG_SANITIZE=fuzzer-no-link; \
	$(BIN)/cmake --build build/coverage; \
	$(BIN)/python cpp/fuzz/coverage.py build/coverage build/fuzz

train: $(VENV)/.tools $(VENV)/.package
	$(RUN) avguard.train $(ARGS)

evaluate: $(VENV)/.tools $(VENV)/.package
	$(RUN) avguard.evaluate --data "$(AVGUARD_SHARED)/data" --split test $(ARGS)

bundle: $(VENV)/.tools $(VENV)/.package
	$(RUN) export.bundle $(ARGS)

# Everything from the checkpoint into two empty folders, and every byte compared.
TWICE := build/twice
bundle-twice: $(VENV)/.tools $(VENV)/.package
	rm -rf $(TWICE)
	for n in 1 2; do $(RUN) export.bundle --out $(TWICE)/$$n/bundle --targets $(TWICE)/$$n/targets $(ARGS); done
	diff -r $(TWICE)/1 $(TWICE)/2

bench: $(VENV)/.tools $(VENV)/.package
	$(RUN) tests.bench $(ARGS)

# ---- mobile_demo/web. Needs node 20 or newer and the Debian packages that its README names.
WEB := mobile_demo/web
MEDIAPIPE := mediapipe==0.10.21

build/wheels/.done:
	$(PIP) download --no-deps -d $(@D) $(MEDIAPIPE)
	@touch $@

web: $(VENV)/.tools $(VENV)/.package build/wheels/.done
	$(RUN) export.web --wheel build/wheels/mediapipe-*.whl --out $(WEB)/public/bundle
	$(BIN)/cmake -S $(WEB)/core -B build/web-core -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DCMAKE_TOOLCHAIN_FILE=$(abspath $(WEB))/core/wasi.cmake -DCMAKE_BUILD_TYPE=Release \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python
	$(BIN)/cmake --build build/web-core
	cp build/web-core/avguard.wasm $(WEB)/public/
	cd $(WEB) && npm ci --no-audit --no-fund && npm run build

web-demo: web
	cd $(WEB) && npm run serve

web-test: $(VENV)/.tools $(VENV)/.package
	$(BIN)/pytest tests/mobile/test_web.py -s

sbom: $(VENV)/.tools $(VENV)/.package
	$(BIN)/python -I .ci/sbom.py build/sbom.cdx.json

# The long tests: 2,088 broken media, spoilt programs, 1,000 rounds of open-check-close, scans that are killed, two hours
# of 1080p.
soak: $(VENV)/.tools $(VENV)/.package
	$(RUN) tests.soak $(ARGS)

clean:
	rm -rf build $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
