# `make demo` and `make test` do all set-up themselves; see README.md.

PACKAGES := pkg-config libzstd-dev libopenblas-dev libjpeg62-turbo-dev libpng-dev zlib1g-dev \
	libprotobuf-c-dev
BUILD := .build/release
# Tests have a build folder of their own: alternating in one rebuilds everything.
TEST_BUILD := .build-test

# What is written by hand; Sources/CONNX is generated.
C_SOURCES := $(shell find Sources Tests -name '*.[ch]' -not -path '*/CONNX/*' -o -name '*.inc')

HAS_VNNI = $(shell grep -wom1 avx512_vnni /proc/cpuinfo 2>/dev/null)

# The suites whose results are the numbers of the kernels chosen; RuntimeTests compare all sets with
# each other whatever is chosen.
NUMERIC_SUITES := DigestTests|Int8EngineTests|QuantizedEngineTests|CalibratorTests|MeasuringTests

.PHONY: demo test test-sets test-arm test-vnni test-large build packages lint format onnx-proto clean

## demo: convert the demo model and label the demo picture
demo: build
	mkdir -p demo
	$(BUILD)/declip-convert fixtures/shapes/model.safetensors -o demo/shapes.declip --force
	$(BUILD)/declip-run segment fixtures/shapes/scenes/demo.png --model demo/shapes.declip \
	  --classes @fixtures/shapes/classes.txt --size 448 --output demo
	@echo "look at demo/demo.overlay.png"

## test: run the whole test suite
test: packages
	swift test -c release --scratch-path $(TEST_BUILD)

## test-sets: run the numeric suites once with every instruction set of this processor
test-sets: build
	@mkdir -p $(TEST_BUILD)
	@for set in $$($(BUILD)/declip-run kernels | cut -d' ' -f1); do \
	  echo "DECLIP_CPU=$$set:"; \
	  DECLIP_CPU=$$set swift test -c release --scratch-path $(TEST_BUILD) \
	    --filter '$(NUMERIC_SUITES)' >$(TEST_BUILD)/$$set.log 2>&1 \
	    || { grep -aE '✘|error:|recorded an issue' $(TEST_BUILD)/$$set.log; exit 1; }; \
	  grep -a '✔ Test run' $(TEST_BUILD)/$$set.log; \
	done

## test-arm: compare the kernels for ARM with the portable ones on emulated processors
test-arm: PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
test-arm: packages
	Tests/CKernelsARM/run.sh

## test-vnni: the same for AVX512-VNNI, natively or, without it or with FORCE=1, under Bochs
test-vnni: PACKAGES = $(if $(and $(HAS_VNNI),$(if $(FORCE),,yes)),,bochs bochsbios musl-dev)
test-vnni: packages
	FORCE=$(FORCE) Tests/CKernelsVNNI/run.sh

## test-large: convert models of full size and print figures (needs Python, see the script)
test-large: build
	fixtures/large/test_large.sh

## build: build the command lines
build: packages
	swift build -c release

## lint: check the format of Swift and C sources
lint: PACKAGES := clang-format
lint: packages
	swift format lint --strict --recursive --parallel Package.swift Sources Tests
	@clang-format --dry-run --Werror $(C_SOURCES)

## format: format Swift and C sources
format: PACKAGES := clang-format
format: packages
	swift format --in-place --recursive --parallel Package.swift Sources Tests
	@clang-format -i $(C_SOURCES)

## onnx-proto: generate the reader of ONNX messages (needs protobuf-c-compiler)
onnx-proto:
	protoc-c --proto_path=formats --c_out=Sources/CONNX onnx.proto
	mv Sources/CONNX/onnx.pb-c.h Sources/CONNX/include/

packages:
	@command -v swift >/dev/null || { \
	  echo "The Swift 6 toolchain is missing; get it from https://swift.org/install"; exit 1; }
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q "ok installed" \
	    || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  command -v apt-get >/dev/null || { \
	    echo "Please install the equivalents of these Debian packages:$$missing"; exit 1; }; \
	  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  echo "Installing$$missing"; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	fi

clean:
	rm -rf .build $(TEST_BUILD) .build-arm .build-vnni demo
