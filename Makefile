# SPDX-License-Identifier: Apache-2.0
#
#   make            build/libinterspan.so and build/interspan
#   make quick      unit tests, format, checks of the house (two minutes)
#   make check      all that can be proven on this machine (ten minutes)
#   make demo       one request through curl, nginx, Flask, C++ and PostgreSQL, shown as a waterfall
#   make teeth      breaks the code on purpose, in many ways; each must fail a test (half an hour)
#   make bench      what it costs: figures against bare, side by side; BENCH=name,... PAIRS=30
#   make bench-again RAW="first second"   is a second run as the first one was?
#   make soak       10,000 requests a second through nginx for ten minutes, and what came of them
#   make ticks      how long our own code is at work in a request, by the clock around it
#   make bench-compare OLD=libinterspan.so   the same for another build and this one
#   make coverage   which lines the unit tests run, file by file
#   make shake      threads that give way where it is most awkward: SHAKE_ROUNDS=10
#   make life       each kind of child, 200 times, at the worst moments for it; each kind of end
#   make fresh      scripts/demo and scripts/check in a new Debian 12, as root and as a user with sudo (an hour)
#   make interop    beside SDKs, agents, databases, backends: INTEROP=name ...
#   make w3c        the W3C's own tests of trace context: W3C_TEST_DIR=<their folder `test`>
#   make causality  who caused which call: REQUESTS=5000 through each program, and a table
#   make fuzz       FUZZ_SECONDS=60 for each parser
#   make format     lays the sources out as `make quick` wants them
#   make install    PREFIX=/usr/local DESTDIR=; make uninstall
#   make dist       a tarball of what is installed, in build/dist: its target needs no compiler
#   make deb        a package for Debian 11 and later
#   make clean
#
# CC=gcc|clang  BUILD=build  WERROR=1  LTO= (a quicker build)  SAN=address,undefined|thread (unit tests only)  V=1
#
# A room's sources are found by wildcard: a new file needs no line here.

VERSION := 0.1.0
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
FUZZ_SECONDS ?= 60
REQUESTS ?= 5000
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
ARCH := $(shell uname -m)
RESULTS ?= $(abspath $(BUILD)/results)
Q := $(if $(V),,@)
MAKEFLAGS += --no-print-directory --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

LIB := $(BUILD)/libinterspan.so
TLS_LIB := $(BUILD)/libinterspan-tls.so
TOOL := $(BUILD)/interspan
OBJ := $(BUILD)/obj
GEN := $(BUILD)/gen
STATIC := $(BUILD)/static
STATIC_TLS := $(BUILD)/static-tls

# --- sources ---

# Assembly is written once per architecture: x_x86_64.S, x_aarch64.S.
asm = $(foreach f,$(wildcard $(1)/*_$(ARCH).S),$(f))
HOOKS_SRC := $(wildcard hooks/*.c) $(call asm,hooks)
# What runs in every process that loads us comes first in each section, so that a start maps few pages;
# config.c last of them, for the sake of its large buffer.
START_SRC := $(addprefix preload/,load.c resolve.c runtime.c stats.c exporter_life.c store.c config.c)
# Of nothing, but in the build that tells how long we are at work.
TICKS_SRC := $(if $(findstring WITH_TICKS,$(CPPFLAGS)),,preload/ticks.c)
ROOMS_SRC := $(START_SRC) $(filter-out $(START_SRC) $(TICKS_SRC),$(wildcard hooks/conn/*.c hooks/proto/*.c \
	preload/*.c exporter/*.c))
ROOMS_ASM := $(call asm,preload)
TOOLS_SRC := $(wildcard tools/*.c)
PROTO := $(wildcard exporter/*.proto)
SUPPORT_SRC := $(wildcard tests/support/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
# The thread sanitizer makes one thread ten times slower, and has nothing to say of it.  test_answer's
# spans start the exporter.
ifneq ($(findstring thread,$(SAN)),)
UNIT_SRC := $(shell grep -lE 'pthread_create|exporter_|[^v]fork' $(UNIT_SRC)) tests/unit/test_answer.c
endif
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)

objects = $(patsubst %,$(OBJ)/%.o,$(basename $(1)))
GEN_C := $(patsubst exporter/%.proto,$(GEN)/%.pb-c.c,$(PROTO))
GEN_H := $(GEN_C:.c=.h)
GEN_OBJ := $(patsubst $(GEN)/%.c,$(OBJ)/gen/%.o,$(GEN_C))
HOOKS_OBJ := $(call objects,$(HOOKS_SRC))
ROOMS_OBJ := $(call objects,$(ROOMS_SRC) $(ROOMS_ASM)) $(GEN_OBJ)
TOOLS_OBJ := $(call objects,$(TOOLS_SRC))
SUPPORT_OBJ := $(call objects,$(SUPPORT_SRC))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(FUZZ_SRC))
HOSTS := $(patsubst tests/preload/%.c,$(BUILD)/tests/%,$(wildcard tests/preload/host_*.c)) \
	$(patsubst tests/preload/%.c,$(BUILD)/tests/%.so,$(wildcard tests/preload/lib_*.c))
# Hosts of a TLS library: they link with what a machine has to run programs with, no -dev package.
has_lib = $(filter /%,$(shell $(CC) -print-file-name=$(1)))
TLS_HOSTS := $(filter $(BUILD)/tests/host_tls%,$(HOSTS))
HOSTS := $(filter-out $(TLS_HOSTS),$(HOSTS)) $(foreach h,$(TLS_HOSTS),$(if $(call \
	has_lib,$(if $(findstring gnutls,$(h)),libgnutls.so.30,libssl.so.3)),$(h)))
$(BUILD)/tests/host_tls%: HOST_LIBS = $(if $(findstring gnutls,$@),-l:libgnutls.so.30,-l:libssl.so.3 \
	-l:libcrypto.so.3)
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC)) $(BUILD)/bench/late.so

# --- flags ---

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
	-Wformat=2 -Wundef -Wvla
ifneq ($(shell $(CC) --version 2>/dev/null | grep -c clang),0)
CC_IS_CLANG := 1
else
WARN += -Wlogical-op -Wduplicated-cond
endif
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
	$(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined))
BASE := -std=gnu11 -O2 -gdwarf-4 $(WARN) $(if $(WERROR),-Werror) $(SANFLAGS) -MMD -MP -Iinclude \
	-D_GNU_SOURCE -DINTERSPAN_VERSION='"$(VERSION)"'
# What runs in somebody else's process: hidden, and unwindable everywhere, since a cancellation or an
# exception of the host may pass through our frames.
INSIDE := -fPIC -fvisibility=hidden -fno-plt -fno-semantic-interposition -ffunction-sections \
	-fdata-sections -fexceptions -fasynchronous-unwind-tables

comma := ,
# gcc's own choice for a hundred bytes is "rep stos", whose start alone takes longer.
ifeq ($(ARCH)$(CC_IS_CLANG),x86_64)
INSIDE += $(foreach f,memset memcpy,-m$(f)-strategy=vector_loop:512:noalign$(comma)libcall:-1:noalign)
endif

# A request goes through some ninety functions of a dozen files, and an eighth of what it costs are
# the calls between them: gcc sees through those at link time.  Not the files of the start, whose
# order counts more (above); not what the sanitizers see.  Fat, since unit tests link the same
# objects as they are, and those of clang's, for which not every linker has a plugin, anyway.
LTO := $(if $(CC_IS_CLANG)$(SAN),,-flto=1 -ffat-lto-objects)
LTO_OBJ := $(filter-out $(call objects,$(START_SRC)) $(OBJ)/exporter/% $(OBJ)/gen/%, \
	$(call objects,$(filter %.c,$(HOOKS_SRC) $(ROOMS_SRC))))
$(LTO_OBJ): LINKED := $(LTO)

# CC_<room>: includes and flags; include floors are proven by scripts/check-includes.
CC_hooks = $(INSIDE) -U_FORTIFY_SOURCE -Ihooks -Ihooks/conn -Ihooks/proto -Ipreload
CC_hooks/conn = $(INSIDE) -Ihooks -Ihooks/proto -Ipreload
CC_hooks/proto = $(INSIDE) -Wconversion
CC_preload = $(INSIDE) -Ihooks -Ihooks/proto -isystem $(STATIC)/include
CC_exporter = $(INSIDE) -Wconversion -I$(GEN) -isystem $(STATIC)/include
CC_exporter/tls = $(INSIDE) -Wconversion -DWITH_TLS -Iexporter -Iexporter/tls -I$(GEN) \
	-isystem $(STATIC_TLS)/include -isystem $(STATIC)/include
CC_gen = $(INSIDE) -I$(GEN) -isystem $(STATIC)/include -DNDEBUG
CC_tools = -fPIE -I$(GEN) $(TOOL_CFLAGS)
CC_tests/support = -fPIE -Ihooks -Ipreload
CC_tests/unit = -fPIE $(if $(filter test_view_% test_tool_%,$(notdir $<)),-Itools) -I. -Ipreload \
	-Ihooks -Ihooks/proto -Ihooks/conn -Iexporter -Itests/support -Itests/unit -Itools -I$(GEN) \
	-isystem $(STATIC)/include
CC_tests/fuzz = $(CC_tests/unit)
CC_tests/bench = $(CC_tests/unit)
cflags = $(BASE) $(CC_$(patsubst $(OBJ)/%/,%,$(dir $@))) $(LINKED) $(CPPFLAGS) $(CFLAGS)

# Packages are asked for only by what needs them, so that one that lacks is named.
pkg = $(if $(shell pkg-config --exists $(2) && echo yes),$(shell pkg-config $(1) $(2)),$(error \
	$(2) is missing: install $(PKG_$(2)), or all that is needed by scripts/install-packages))
PKG_libmicrohttpd := libmicrohttpd-dev
PKG_libprotobuf-c := libprotobuf-c-dev
PKG_jansson := libjansson-dev
PKG_zlib := zlib1g-dev
PKG_cmocka := libcmocka-dev
TOOL_PKGS := libmicrohttpd libprotobuf-c jansson zlib
TOOL_CFLAGS = $(foreach p,$(TOOL_PKGS),$(call pkg,--cflags,$(p)))
TOOL_LIBS = $(foreach p,$(TOOL_PKGS),$(call pkg,--libs,$(p)))
# The program's own, static where there is an archive: an old system may have older ones, or none.
archive = $(or $(filter /%,$(shell $(CC) -print-file-name=lib$(1).a)),-l$(1))
TOOL_OWN = $(call pkg,--libs,libmicrohttpd) $(foreach l,protobuf-c jansson z,$(call archive,$(l)))
# Names that libc has had under a newer version since (tools/old_libc.c).
TOOL_WRAP := stat fstat pthread_sigmask getrandom __libc_start_main

STATIC_LIBS := $(addprefix $(STATIC)/lib/,libcurl.a libcares.a libprotobuf-c.a libz.a \
	libunwind.a)
WRAP := $(shell sed 's/\#.*//' exporter/wrap.list)
# No start files: they look up four names that nobody needs, and run code at both ends.  No segments
# of their own for code and constants: two mappings less.
LIB_LDFLAGS := -shared -nostartfiles -static-libgcc -Wl,-z,noseparate-code \
	-Wl,-z,defs,-z,now,-z,relro,-z,nodelete,-z,noexecstack \
	-Wl,-O1,--hash-style=gnu,--as-needed,--gc-sections,--exclude-libs,ALL,-Bsymbolic \
	-Wl,--version-script=$(BUILD)/hooks.map -Wl,-T,preload/hot.ld $(addprefix -Wl$(comma)--wrap=,$(WRAP))
LINK = $(CC) $(SANFLAGS) $(if $(LTO),-fno-lto) -pie -Wl,-z,now,-z,relro,-z,noexecstack,--as-needed $(LDFLAGS)

# --- products ---

.PHONY: all lib tool tls
all: lib tool tls
lib: $(LIB)
tool: $(TOOL)
tls: $(TLS_LIB)

$(LIB): $(HOOKS_OBJ) $(ROOMS_OBJ) $(BUILD)/hooks.map preload/hot.ld exporter/wrap.list $(BUILD)/static.stamp
	@echo "  LD      $@"
	$(Q)$(CC) $(if $(LTO),-O2 $(LTO) -flto-partition=one -ffunction-sections -fdata-sections) \
		$(LIB_LDFLAGS) -Wl,-soname,libinterspan.so $(LDFLAGS) -o $@ $(ROOMS_OBJ) $(HOOKS_OBJ) \
		$(STATIC_LIBS)

# What is sent by TLS or gRPC goes through this one, which only exporter/elf_load.c maps: nothing of it
# is needed by name, everything undefined is a row of exporter/tls_import.def.
TLS_OBJ := $(patsubst %.c,$(OBJ)/%.o,$(wildcard exporter/tls/*.c)) $(OBJ)/exporter/tls/transport.o
TLS_LDFLAGS := -shared -nostartfiles -nostdlib -Wl,-z,now,-z,relro,-z,noexecstack,-O1,--hash-style=gnu \
	-Wl,--gc-sections,--exclude-libs,ALL,-Bsymbolic,-e,interspan_tls_entry \
	$(addprefix -Wl$(comma)--wrap=nghttp2_session_callbacks_set_on_,header_callback \
	data_chunk_recv_callback)
$(TLS_LIB): $(TLS_OBJ) $(BUILD)/static-tls.stamp
	@echo "  LD      $@"
	$(Q)$(CC) $(TLS_LDFLAGS) -Wl,-soname,libinterspan-tls.so $(LDFLAGS) -o $@ $(TLS_OBJ) \
		$(addprefix $(STATIC_TLS)/lib/,libcurl.a libnghttp2.a) $(STATIC)/lib/libcares.a \
		$(addprefix $(STATIC_TLS)/lib/,libssl.a libcrypto.a) -lgcc

$(TOOL): $(TOOLS_OBJ) $(GEN_OBJ)
	@echo "  LD      $@"
	$(Q)$(LINK) $(addprefix -Wl$(comma)--wrap=,$(TOOL_WRAP)) -Wl,--exclude-libs,ALL -o $@ $^ $(TOOL_OWN)

# Every object that a unit test may want: all but the interposed symbols and main().  P: members by
# path, since rooms may have files of one name.
CORE := $(BUILD)/libcore.a
CORE_OBJ := $(ROOMS_OBJ) $(OBJ)/exporter/tls/grpc.o $(OBJ)/exporter/tls/base64.o $(filter-out $(OBJ)/tools/main.o,$(TOOLS_OBJ))
$(CORE): $(CORE_OBJ)
	@echo "  AR      $@"
	$(Q)rm -f $@ && ar qcsP $@ $^

# The export list; exactly the rows, and what interspan.h declares.
$(BUILD)/hooks.map: hooks/hooks.def include/interspan.h
	@mkdir -p $(@D)
	$(Q){ echo '{ global:'; \
	sed -nE 's/^INTERSPAN_API .*[ *](interspan_[a-z_]+)\(.*/	\1;/p' include/interspan.h; \
	sed -nE 's/^[A-Z_]*HOOK[A-Z_]*\(([A-Za-z0-9_]+).*/	\1;/p' $<; echo 'local: *; };'; } >$@

# A link into the cache: the path in the flags does not depend on the cache's key.
$(BUILD)/static.stamp: scripts/static-parts $(if $(wildcard $(STATIC)/complete),,FORCE)
	@mkdir -p $(@D)
	$(Q)at=$$(scripts/static-parts) && ln -sfn "$$at" $(STATIC) && touch $@

$(BUILD)/static-tls.stamp: scripts/static-parts-tls $(BUILD)/static.stamp \
		$(if $(wildcard $(STATIC_TLS)/complete),,FORCE)
	@mkdir -p $(@D)
	$(Q)at=$$(scripts/static-parts-tls) && ln -sfn "$$at" $(STATIC_TLS) && touch $@

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h &: exporter/%.proto
	@echo "  PROTOC  $<"
	@mkdir -p $(GEN)
	@command -v protoc-c >/dev/null || { echo "protoc-c is missing: install" \
		"protobuf-c-compiler, or all that is needed by scripts/install-packages"; exit 1; }
	$(Q)protoc-c --proto_path=exporter --c_out=$(GEN) $<

# Objects are made anew when compiler or flags change.
stamp = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@
FLAGS_NOW := $(CC) $(BASE) $(INSIDE) $(LTO) $(CPPFLAGS) $(CFLAGS) $(foreach room,hooks hooks/conn \
	hooks/proto preload exporter gen tools tests/unit,$(value CC_$(room)))
$(BUILD)/flags.stamp: FORCE
	$(call stamp,$(FLAGS_NOW))
$(BUILD)/prefix.stamp: FORCE
	$(call stamp,$(PREFIX))

FORCE:
.PHONY: FORCE

define compile
@echo "  CC      $<"
@mkdir -p $(@D)
$(Q)$(CC) $(cflags) -c -o $@ $<
endef

$(OBJ)/gen/%.o: $(GEN)/%.c $(BUILD)/flags.stamp $(BUILD)/static.stamp
	$(compile)
$(OBJ)/%.o: %.c $(BUILD)/flags.stamp
	$(compile)
# The second time, for libinterspan-tls.so.
$(OBJ)/exporter/tls/transport.o: exporter/transport.c $(BUILD)/flags.stamp
	$(compile)
$(OBJ)/%.o: %.S $(BUILD)/flags.stamp
	$(compile)
$(TLS_OBJ): | $(GEN_H) $(BUILD)/static.stamp $(BUILD)/static-tls.stamp
$(filter $(OBJ)/exporter/%,$(ROOMS_OBJ)): | $(GEN_H) $(BUILD)/static.stamp
$(OBJ)/preload/unwind.o: | $(BUILD)/static.stamp
$(TOOLS_OBJ): | $(GEN_H)
$(call objects,$(UNIT_SRC) $(FUZZ_SRC) $(BENCH_SRC) $(SUPPORT_SRC)): | $(GEN_H) $(BUILD)/static.stamp
$(OBJ)/tools/preload_path.o: $(BUILD)/prefix.stamp
$(OBJ)/tools/preload_path.o: CPPFLAGS += -DINTERSPAN_LIBDIR='"$(PREFIX)/lib/interspan"'

-include $(patsubst %.o,%.d,$(TLS_OBJ) $(HOOKS_OBJ) $(ROOMS_OBJ) $(TOOLS_OBJ) $(SUPPORT_OBJ) \
	$(call objects,$(UNIT_SRC) $(FUZZ_SRC) $(BENCH_SRC)))

# --- tests ---

# A test that forks with threads is what we are about.
export TSAN_OPTIONS ?= die_after_fork=0
TEST_LIBS = $(STATIC_LIBS) $(TOOL_LIBS) -lpthread -lm
$(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $(CORE) $(SUPPORT_OBJ) $(BUILD)/static.stamp
	@echo "  LD      $@"
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $< $(SUPPORT_OBJ) $(CORE) $(call pkg,--libs,cmocka) $(TEST_LIBS)

$(BUILD)/bench/%: $(OBJ)/tests/bench/%.o $(CORE) $(SUPPORT_OBJ) $(BUILD)/static.stamp
	@echo "  LD      $@"
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $< $(SUPPORT_OBJ) $(CORE) $(TEST_LIBS)

$(BUILD)/bench/late.so: tests/bench/late.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -M%,$(BASE)) -shared -fPIC -o $@ $<

$(BUILD)/fuzzers/%: $(OBJ)/tests/fuzz/%.o $(CORE) $(SUPPORT_OBJ) $(BUILD)/static.stamp
	@echo "  LD      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=fuzzer $(SANFLAGS) -o $@ $< $(SUPPORT_OBJ) $(CORE) $(TEST_LIBS)

$(BUILD)/once_sql: $(OBJ)/tests/fuzz/once_sql.o $(CORE) $(SUPPORT_OBJ) $(BUILD)/static.stamp
	@echo "  LD      $@"
	$(Q)$(LINK) -o $@ $< $(SUPPORT_OBJ) $(CORE) $(TEST_LIBS)

# Programs and libraries that the object is preloaded into: nothing of ours in them.
HOST_CC = $(CC) -std=gnu11 -O2 -g $(filter-out -Wwrite-strings,$(WARN)) $(if $(CC_IS_CLANG),,-Wno-clobbered) $(if $(WERROR),-Werror) -MMD -MP -MF $@.d -pthread
$(BUILD)/tests/%.so: tests/preload/%.c
	@echo "  HOST    $@"
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) -shared -fPIC -o $@ $< $(HOST_LIBS)
# Each with a stand-in for libpq that lies beside it.
$(BUILD)/tests/lib_pq_user.so: $(BUILD)/tests/lib_pq.so
$(BUILD)/tests/lib_pq_user2.so: $(BUILD)/tests/lib_pq2.so
$(BUILD)/tests/lib_pq_user.so: HOST_LIBS = -L$(@D) -l:lib_pq.so -Wl,-rpath,'$$ORIGIN'
$(BUILD)/tests/lib_pq_user2.so: HOST_LIBS = -L$(@D) -l:lib_pq2.so -Wl,-rpath,'$$ORIGIN'
$(BUILD)/tests/%: tests/preload/%.c
	@echo "  HOST    $@"
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) -o $@ $< $(HOST_LIBS)
-include $(addsuffix .d,$(HOSTS))

# Each runner adds a line to $(RESULTS); scripts/results adds them up.
RUN = RESULTS=$(RESULTS) BUILD=$(BUILD) TEST_JOBS=$(TEST_JOBS) scripts/run-tests

.PHONY: unit unit-programs hosts house preload-tests e2e fuzz fuzz-run
unit-programs: $(UNIT)
hosts: $(HOSTS)
unit: $(UNIT)
	@mkdir -p $(dir $(RESULTS))
	@$(RUN) --programs unit$(if $(SAN),-$(SAN)) $(UNIT)

house: $(LIB) $(BUILD)/bench/bench_load $(BUILD)/bench/bench_sink
	@mkdir -p $(dir $(RESULTS))
	@$(RUN) --programs house scripts/check-*

# Those that take long are run with tests/interop, which has more time.
E2E_LATER := capture causality clients field_notes framing grpc heirs hosts java loops propagators servers status
E2E := $(filter-out $(E2E_LATER:%=tests/e2e/test_%.py),$(wildcard tests/e2e/test_*.py))
preload-tests: all $(HOSTS)
	@mkdir -p $(dir $(RESULTS))
	@$(RUN) $@ $(PYTHON) tests/preload/run.py
e2e: all
	@mkdir -p $(dir $(RESULTS))
	@$(RUN) $@ $(PYTHON) tests/e2e/run.py $(E2E)

# The parent of every call, against truth that travels in the bodies (tests/e2e/test_causality.py).
.PHONY: causality
causality: all
	@mkdir -p $(dir $(RESULTS))
	@REQUESTS=$(REQUESTS) TEST_TIMEOUT=7200 $(RUN) causality \
		$(PYTHON) tests/e2e/run.py test_causality test_loops

# The matrix of children that `make check` runs with 8 of each kind; each end with many spans waiting.
.PHONY: life
life: all $(HOSTS)
	@mkdir -p $(dir $(RESULTS))
	@FAMILY_CHILDREN=200 ENDS_ALL=1 SPOOL_ROUNDS=200 TEST_TIMEOUT=7200 $(RUN) life $(PYTHON) \
		tests/preload/run.py test_family.py test_ends.py test_spool.py

# What a stranger sees: a plain clone of what is committed, on a system that has git and sudo.  FRESH=user: one of the two.
.PHONY: fresh
fresh:
	@scripts/fresh $(FRESH)

# github.com/w3c/trace-context; never part of this tree.
.PHONY: w3c
w3c: all
	@[ -e "$(W3C_TEST_DIR)/test.py" ] || { echo "W3C_TEST_DIR: where the folder \`test\` of" \
		"github.com/w3c/trace-context is"; exit 1; }
	@mkdir -p $(dir $(RESULTS))
	@$(RUN) w3c $(PYTHON) tests/e2e/w3c.py $(W3C_TEST_DIR)

# Suites that other people wrote, test by test, bare and preloaded; scripts/transparency installs them.
.PHONY: transparency transparency-short
transparency transparency-short: all
	@mkdir -p $(dir $(RESULTS))
	@TEST_TIMEOUT=7200 $(RUN) transparency $(PYTHON) tests/transparency/run.py \
		$(if $(findstring short,$@),--set short --mode collector cpython)

# With what is heavy, or is fetched: each file of tests/interop by itself, or those that INTEROP names.
INTEROP ?= $(E2E_LATER) $(patsubst tests/interop/test_%.py,%,$(wildcard tests/interop/test_*.py))
.PHONY: interop
interop: all $(BUILD)/once_sql
	@mkdir -p $(dir $(RESULTS))
	@scripts/neighbours build/neighbours
	@scripts/backends build/backends
	@scripts/postgres-sql build/postgres-sql
	@bad=0; for name in $(INTEROP); do \
		file=tests/interop/test_$$name.py; [ -e $$file ] || file=tests/e2e/test_$$name.py; \
		$(RUN) interop $(PYTHON) tests/e2e/run.py $$file || bad=1; \
	done; exit $$bad

# TEETH: a part of the names of those that are wanted.
.PHONY: teeth
teeth:
	@BUILD=$(BUILD) $(PYTHON) -B tests/teeth/run.py $(if $(TEETH),-k '$(TEETH)')

# clang, in a directory of its own: every object carries the fuzzer's coverage.
fuzz:
	@$(MAKE) -j$(JOBS) CC=clang BUILD=$(BUILD)/fuzz RESULTS=$(RESULTS) \
		SAN=fuzzer-no-link,address,undefined TEST_JOBS=$(JOBS) fuzz-run
fuzz-run: $(FUZZERS)
	@mkdir -p $(dir $(RESULTS))
	@FUZZ_SECONDS=$(FUZZ_SECONDS) WITH=scripts/fuzz-one $(RUN) --programs fuzz $(FUZZERS)

.PHONY: quick check demo bench format clean
quick:
	@rm -f $(RESULTS) $(RESULTS).failed
	@$(MAKE) -j$(JOBS) all unit-programs
	@bad=0; $(MAKE) unit || bad=1; $(MAKE) house || bad=1; scripts/results $(RESULTS) && exit $$bad

# Of the unit tests, compiled apart and without optimisation.
.PHONY: coverage
coverage:
	@mkdir -p $(BUILD)/coverage && find $(BUILD)/coverage -name '*.gcda' -delete
	@$(MAKE) -j$(JOBS) CC=gcc BUILD=$(BUILD)/coverage LTO= \
		LDFLAGS="--coverage -Wl,--wrap=_exit" \
		CFLAGS="--coverage -O0 -fprofile-update=atomic -DCOVERAGE" unit
	@$(PYTHON) scripts/coverage.py $(BUILD)/coverage

# Threads give the processor away, or sleep, at the places that are marked by SHAKE() (include/shake.h).
SHAKE_ROUNDS ?= 10
SHAKEN := $(MAKE) -j$(JOBS) CC=gcc CPPFLAGS=-DWITH_SHAKE
.PHONY: shake hosts
hosts: $(HOSTS)
shake:
	@rm -f $(RESULTS) $(RESULTS).failed
	@$(SHAKEN) BUILD=$(BUILD)/shake all unit-programs hosts
	@$(SHAKEN) BUILD=$(BUILD)/shake/tsan SAN=thread unit-programs
	@bad=0; RESULTS=$(RESULTS) scripts/shake $(SHAKE_ROUNDS) $(BUILD)/shake || bad=1; \
	scripts/results $(RESULTS) && exit $$bad

# With -Werror and both compilers, each in its own directory; what is preloaded is gcc's.  A step that
# fails does not keep the others from telling what they know.
SUB = $(MAKE) -j$(JOBS) RESULTS=$(RESULTS) WERROR=1 CC=gcc
check:
	@rm -f $(RESULTS) $(RESULTS).failed
	@bad=0; step() { echo "== $$*"; "$$@" || { bad=1; echo "FAILED: $$*"; }; }; \
	step $(SUB) CC=clang BUILD=$(BUILD)/clang all; \
	step $(SUB) BUILD=$(BUILD)/gcc all unit-programs; \
	step $(SUB) BUILD=$(BUILD)/gcc unit TEST_JOBS=$(JOBS); \
	step $(SUB) BUILD=$(BUILD)/gcc house TEST_JOBS=$(JOBS); \
	step $(SUB) BUILD=$(BUILD)/asan SAN=address,undefined unit TEST_JOBS=$(JOBS); \
	step $(SUB) BUILD=$(BUILD)/tsan SAN=thread unit TEST_JOBS=$(JOBS); \
	step $(SUB) -Otarget BUILD=$(BUILD)/gcc preload-tests e2e; \
	step $(SUB) BUILD=$(BUILD)/gcc transparency-short; \
	step $(MAKE) RESULTS=$(RESULTS) FUZZ_SECONDS=8 fuzz; \
	scripts/results $(RESULTS) && exit $$bad

demo: all
	@BUILD=$(BUILD) $(PYTHON) scripts/demo.py

# Raw data in $(BUILD)/bench; bench-report puts the tables of a run (RAW) into docs/overhead.md.
PAIRS ?= 30
.PHONY: bench-compare bench-report bench-again
bench bench-compare: all $(BENCHES)
	@scripts/neighbours build/neighbours
	@command -v redis-server >/dev/null || scripts/others-suites build/suites >/dev/null || \
		echo "SKIPPED: redis: it is not there, and was not built"
	@[ $@ = bench ] || [ -e "$(OLD)" ] || { echo "OLD: another build's libinterspan.so"; exit 1; }
	@BUILD=$(BUILD) $(PYTHON) tests/bench/bench.py --pairs $(PAIRS) \
		$(if $(findstring compare,$@),--old "$(OLD)") "$(BENCH)"
# The share of our own code, by the clock around it (include/ticks.h): TICKS="nginx static,nginx proxy".
TICKS ?= nginx static,nginx https,nginx proxy
.PHONY: ticks
ticks: all $(BENCHES)
	@$(MAKE) -j$(JOBS) BUILD=$(BUILD)/ticks CPPFLAGS=-DWITH_TICKS lib
	@BUILD=$(BUILD) $(PYTHON) tests/bench/ticks.py "$(TICKS)" 5 $(abspath $(BUILD))/ticks/libinterspan.so
.PHONY: soak
soak: all $(BENCHES)
	@BUILD=$(BUILD) $(PYTHON) tests/bench/flow.py $(SOAK_SECONDS)
# Is a second run (RAW="first second") as the first one?
bench-again:
	@$(PYTHON) tests/bench/kit/again.py $(RAW)
bench-report:
	@$(PYTHON) tests/bench/kit/report.py "$(RAW)" docs/overhead.md
	@$(PYTHON) scripts/readme-overhead --write

format:
	$(Q)scripts/format

clean:
	$(Q)rm -rf $(BUILD)

# --- install ---

DOC := $(DESTDIR)$(PREFIX)/share/doc/interspan
MAN := $(DESTDIR)$(PREFIX)/share/man
COMPLETION := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
MAN_CONFIG = VERSION=$(VERSION) LIBDIR=$(PREFIX)/lib/interspan DOCDIR=$(PREFIX)/share/doc/interspan scripts/man-config
.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/interspan \
		$(DESTDIR)$(PREFIX)/include $(DOC)
	install -m 644 include/interspan.h $(DESTDIR)$(PREFIX)/include
	install -m 755 $(TOOL) $(DESTDIR)$(PREFIX)/bin/interspan
	install -m 644 $(LIB) $(DESTDIR)$(PREFIX)/lib/interspan/libinterspan.so
	install -m 644 $(TLS_LIB) $(DESTDIR)$(PREFIX)/lib/interspan/libinterspan-tls.so
	install -m 644 LICENSE THIRD-PARTY README.md CHANGELOG.md SECURITY.md $(DOC)
	install -d $(MAN)/man1 $(MAN)/man7 $(COMPLETION)
	$(MAN_CONFIG) docs/man/interspan.1 >$(MAN)/man1/interspan.1
	$(MAN_CONFIG) docs/man/interspan.7.in >$(MAN)/man7/interspan.7
	install -m 644 docs/completion/interspan.bash $(COMPLETION)/interspan
	install -d $(DOC)/recipes/collector
	install -m 644 docs/recipes.md $(filter-out %/collector,$(wildcard docs/recipes/*)) $(DOC)/recipes
	install -m 644 $(wildcard docs/recipes/collector/*) $(DOC)/recipes/collector
	for part in $(STATIC)/notices/* $(STATIC_TLS)/notices/*; do install -m 644 $$part $(DOC)/notice-$${part##*/}; done
	for part in $(wildcard /usr/share/doc/libjansson-dev/copyright); do install -m 644 $$part $(DOC)/notice-jansson; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/interspan $(DESTDIR)$(PREFIX)/lib/interspan/libinterspan*.so
	rm -f $(DESTDIR)$(PREFIX)/include/interspan.h
	rm -f $(addprefix $(DOC)/,LICENSE THIRD-PARTY README.md CHANGELOG.md SECURITY.md notice-*)
	rm -f $(MAN)/man1/interspan.1 $(MAN)/man7/interspan.7 $(COMPLETION)/interspan
	rm -rf $(DOC)/recipes
	-rmdir $(DESTDIR)$(PREFIX)/lib/interspan $(DOC)

# Both from what `make install` lays out; the dates in them are SOURCE_DATE_EPOCH, or the release's.
.PHONY: dist deb
dist: STAGED := /usr/local
deb: STAGED := /usr
dist deb: all
	@for check in imports tls; do told=$$(BUILD=$(BUILD) scripts/check-$$check) || { echo "$$told"; exit 1; }; done
	@rm -rf $(BUILD)/stage-$@
	@$(MAKE) PREFIX=$(STAGED) DESTDIR=$(abspath $(BUILD))/stage-$@ install >/dev/null
	@VERSION=$(VERSION) LIBS="$$(readelf -dW $(TOOL) | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')" \
		scripts/package $@ $(BUILD)/stage-$@ $(BUILD)/dist
