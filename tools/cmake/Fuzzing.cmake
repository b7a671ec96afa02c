# How fuzz targets are built: one source for libFuzzer, AFL++ and a plain replayer; whole stack instrumented.
#
# TAPEDECK_FUZZ names the engine of this build directory, since each wants another instrumentation in every object:
#   (empty)    none: the replayers only
#   libfuzzer  clang's own
#   afl        AFL++'s runtime under plain clang, which is newer than the clang that Debian's afl-clang-fast wraps
#   external   whatever the environment's LIB_FUZZING_ENGINE names (OSS-Fuzz); it brings its own flags, and we add none
set(TAPEDECK_FUZZ "" CACHE STRING "Fuzzing engine: libfuzzer, afl, external or empty")
option(TAPEDECK_FUZZ_MUTATOR "libFuzzer mutates scripts as such; OFF: as bytes, to compare" ON)
if(DEFINED ENV{LIB_FUZZING_ENGINE} AND NOT TAPEDECK_FUZZ)
  set(TAPEDECK_FUZZ external)
endif()

if(TAPEDECK_FUZZ STREQUAL libfuzzer)
  set(fuzz_instrumentation -fsanitize=fuzzer-no-link)
  set(TAPEDECK_FUZZ_LINK -fsanitize=fuzzer)
elseif(TAPEDECK_FUZZ STREQUAL afl)
  set(TAPEDECK_AFL_DIR /usr/lib/afl CACHE PATH "Where AFL++ has its runtime")
  set(fuzz_instrumentation -fsanitize-coverage=trace-pc-guard,trace-cmp)
  set(TAPEDECK_FUZZ_LINK ${TAPEDECK_AFL_DIR}/libAFLDriver.a ${TAPEDECK_AFL_DIR}/afl-compiler-rt.o)
elseif(TAPEDECK_FUZZ STREQUAL external)
  separate_arguments(TAPEDECK_FUZZ_LINK UNIX_COMMAND "$ENV{LIB_FUZZING_ENGINE}")
elseif(TAPEDECK_FUZZ)
  message(FATAL_ERROR "TAPEDECK_FUZZ is '${TAPEDECK_FUZZ}', not libfuzzer, afl, external or empty")
endif()

# Beside fuzzers there can be all other programs where they find what the instrumentation calls: with AddressSanitizer, whose
# runtime has it.
if(NOT TAPEDECK_FUZZ OR (TAPEDECK_FUZZ STREQUAL libfuzzer AND TAPEDECK_ASAN))
  set(TAPEDECK_PROGRAMS ON)
else()
  set(TAPEDECK_PROGRAMS OFF)
endif()

if(fuzz_instrumentation)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    message(FATAL_ERROR "TAPEDECK_FUZZ=${TAPEDECK_FUZZ} needs clang; use the preset fuzz-${TAPEDECK_FUZZ}")
  endif()
  # What judges a run must not guide the fuzzer. The list's hash is in the command, so that its changes reach every object.
  set(ignorelist ${PROJECT_SOURCE_DIR}/fuzz/coverage_ignorelist.txt)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ignorelist})
  file(MD5 ${ignorelist} ignorelist_hash)
  list(APPEND fuzz_instrumentation -fsanitize-coverage-ignorelist=${ignorelist}
    -DTAPEDECK_COVERAGE_IGNORELIST=${ignorelist_hash})
endif()

# What takes an object out of coverage. Options and not `src` lines of the list: those match the file that is compiled, and a
# compiler cache compiles what it has preprocessed, under another name.
if(TAPEDECK_FUZZ STREQUAL libfuzzer)
  set(TAPEDECK_FUZZ_NO_COVERAGE -fno-sanitize=fuzzer-no-link -Wno-unused-command-line-argument)
elseif(TAPEDECK_FUZZ STREQUAL afl)
  set(TAPEDECK_FUZZ_NO_COVERAGE -fno-sanitize-coverage=trace-pc-guard,trace-cmp -Wno-unused-command-line-argument)
endif()

# tapedeck_fuzz_no_coverage(<targets...>)
# These libraries judge, record or mutate runs: inputs that merely tickle them would fill the corpus.
function(tapedeck_fuzz_no_coverage)
  foreach(library IN LISTS ARGN)
    target_compile_options(${library} PRIVATE ${TAPEDECK_FUZZ_NO_COVERAGE})
    get_target_property(headers ${library} PRECOMPILE_HEADERS_REUSE_FROM)
    if(headers AND TARGET edge_headers_not_covered)
      set_target_properties(${library} PROPERTIES PRECOMPILE_HEADERS_REUSE_FROM edge_headers_not_covered)
      add_dependencies(${library} edge_headers_not_covered)
    endif()
  endforeach()
endfunction()

# tapedeck_fuzz_no_coverage_sources(<library> <files...>)
# Files of a library that is under test, and themselves not: what oracles call of them between any two steps would be a good part
# of all that an input executes. They are objects of their own, since files with other options are never compiled together.
function(tapedeck_fuzz_no_coverage_sources library)
  if(NOT TAPEDECK_FUZZ_NO_COVERAGE)
    target_sources(${library} PRIVATE ${ARGN})
    return()
  endif()
  set(objects ${library}_not_covered)
  add_library(${objects} OBJECT ${ARGN})
  target_include_directories(${objects} PRIVATE $<TARGET_PROPERTY:${library},INTERFACE_INCLUDE_DIRECTORIES>)
  target_link_libraries(${objects} PRIVATE $<TARGET_PROPERTY:${library},INTERFACE_LINK_LIBRARIES>)
  tapedeck_fuzz_no_coverage(${objects})
  target_sources(${library} PRIVATE $<TARGET_OBJECTS:${objects}>)
endfunction()

# tapedeck_fuzz_no_compares(<targets...>)
# Operands of comparisons in these libraries are not told to the engine, edges are: they are times, addresses, numbers and states of
# ours, hardly ever bytes of an input. They would flood the engine's table of operands, and cost a third of a run.
function(tapedeck_fuzz_no_compares)
  if(NOT fuzz_instrumentation)
    return()
  endif()
  foreach(library IN LISTS ARGN)
    target_compile_options(${library} PRIVATE -fno-sanitize-coverage=trace-cmp)
  endforeach()
endfunction()

# tapedeck_fuzz_objects(<name> SOURCES <files...> DEPS <targets...>)
# What several programs with a fuzz target have in common, compiled once, not covered.
function(tapedeck_fuzz_objects name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} OBJECT ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC tapedeck_flags ${ARG_DEPS})
  set(headers edge_headers)
  if(fuzz_instrumentation)
    set(headers edge_headers_not_covered)
  endif()
  if(TARGET ${headers})
    target_precompile_headers(${name} REUSE_FROM ${headers})
  endif()
endfunction()

# tapedeck_fuzz_target(<name> [BYTES] [SOURCES <files...>] DEPS <targets...>)
# The fuzz target <name> from <name>_target.cc (or SOURCES), which defines RunInput() of fuzz/target.h. Its inputs are Scripts, and
# libFuzzer mutates them as such, unless they are BYTES of another kind (replay/script/script_targets.h). bin/<name>_fuzzer
# where this build has an engine, and bin/<name>_replayer where it has other programs (checkers of what a campaign builds take every
# program with a target in it for a fuzzer).
function(tapedeck_fuzz_target name)
  cmake_parse_arguments(ARG "BYTES" "" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${name}_target.cc)
  endif()
  tapedeck_fuzz_objects(${name}_target SOURCES ${ARG_SOURCES} DEPS ${ARG_DEPS})
  if(TAPEDECK_FUZZ)
    add_executable(${name}_fuzzer $<TARGET_OBJECTS:${name}_target> $<TARGET_OBJECTS:fuzz_engine_entry>)
    # AFL++ mutates in its own process (fuzz/mutate/afl_mutator.cc); other engines need not have LLVMFuzzerMutate.
    if(TAPEDECK_FUZZ STREQUAL libfuzzer AND TAPEDECK_FUZZ_MUTATOR AND NOT ARG_BYTES)
      target_sources(${name}_fuzzer PRIVATE mutate/libfuzzer_mutator.cc)
      target_link_libraries(${name}_fuzzer PRIVATE fuzz_mutate)
      target_compile_definitions(${name}_fuzzer PRIVATE TAPEDECK_FUZZ_TARGET="${name}")
    endif()
    target_link_libraries(${name}_fuzzer PRIVATE ${ARG_DEPS} fuzz_input_ring ${TAPEDECK_FUZZ_LINK})
    set_target_properties(${name}_fuzzer PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  endif()
  if(TAPEDECK_PROGRAMS)
    add_executable(${name}_replayer $<TARGET_OBJECTS:${name}_target> $<TARGET_OBJECTS:fuzz_replayer_main>)
    target_link_libraries(${name}_replayer PRIVATE ${ARG_DEPS} fuzz_state)
    set_target_properties(${name}_replayer PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  endif()
endfunction()
