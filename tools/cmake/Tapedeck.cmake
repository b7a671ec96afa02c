# How every target of the project is built: options, flags, and the two functions that declare a folder and a test.

option(TAPEDECK_TESTS "Build the tests" ON)
option(TAPEDECK_ALL_TESTS "Of them also those that mean the same in every build" ON)
option(TAPEDECK_BENCH "Build the benchmarks, which need Google Benchmark and GoogleTest" OFF)
option(TAPEDECK_ASAN "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(TAPEDECK_ADAPTER "Build libtapedeck_packetdrill.so; everything becomes position independent" OFF)
option(TAPEDECK_LTO "Optimise across files: a fifth faster, slow to link" OFF)
set(TAPEDECK_PROFILE "" CACHE STRING "clang's: `generate` one by running, or the file of one to optimise by (tools/fast does both)")
option(TAPEDECK_WERROR "Warnings are errors" ON)
option(TAPEDECK_WHOLE "For builds of everything: headers that most files include are compiled once, tests make few programs" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
# The compiler's time is spent where programs spend theirs: see COLD and WARM below.
set(cold_flags)
set(warm_flags)
# In place of CMake's own choice, not of what the command line says. CHECK does not depend on NDEBUG.
if(CMAKE_CXX_FLAGS_RELEASE STREQUAL "-O3 -DNDEBUG")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
  if(CMAKE_BUILD_TYPE STREQUAL Release)
    set(cold_flags -O0 -g0)
    set(warm_flags -O1 -g0)
  endif()
endif()
if(CMAKE_BUILD_TYPE STREQUAL Sanitized)
  # Sanitizers double what the optimiser has to read.
  set(cold_flags -O0)
  set(warm_flags -O0)
endif()
# The sets of precompiled headers (replay/CMakeLists.txt) for what has these flags: as many as there are different flags.
set(warm_headers edge_headers)
if(warm_flags)
  set(warm_headers edge_headers_warm)
endif()
set(cold_headers ${warm_headers})
if(NOT "${cold_flags}" STREQUAL "${warm_flags}")
  set(cold_headers edge_headers_cold)
endif()
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${TAPEDECK_LTO})
# lld links in a quarter of the time.
find_program(TAPEDECK_LLD ld.lld PATHS /usr/lib/llvm-19/bin NO_DEFAULT_PATH)
find_program(TAPEDECK_LLD ld.lld)
if(TAPEDECK_LLD)
  cmake_path(GET TAPEDECK_LLD PARENT_PATH lld_directory)
  add_link_options(-B${lld_directory} -fuse-ld=lld)
endif()
if(TAPEDECK_ADAPTER)
  # With hidden symbols a shared library's code is as fast as a program's.
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  set(CMAKE_CXX_VISIBILITY_PRESET hidden)
  set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
endif()

if(TAPEDECK_PROFILE STREQUAL generate)
  add_compile_options(-fprofile-generate)
  add_link_options(-fprofile-generate)
elseif(TAPEDECK_PROFILE)
  # The hash is in the command, so that another profile reaches every object.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${TAPEDECK_PROFILE})
  file(MD5 ${TAPEDECK_PROFILE} profile_hash)
  add_compile_options(-fprofile-use=${TAPEDECK_PROFILE} -DTAPEDECK_PROFILE_HASH=${profile_hash}
    # What the profiled runs had no use for.
    -Wno-profile-instr-unprofiled -Wno-backend-plugin)
endif()

add_library(tapedeck_flags INTERFACE)
target_compile_options(tapedeck_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow $<$<BOOL:${TAPEDECK_WERROR}>:-Werror>
  # Headers are overlaid on packet bytes, as in the kernel, and as in the kernel that is made legal by this flag.
  -fno-strict-aliasing
  # No floating point decides anything in the core; this keeps what is printed equal across compilers too.
  -ffp-contract=off
  # Assertions and debug paths name files from the root, wherever the build directory lies.
  -ffile-prefix-map=${PROJECT_BINARY_DIR}/include-trees/= -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # Frames of coroutines come from their thread; without optimisation gcc 12 takes that for a mismatch.
  target_compile_options(tapedeck_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)
  # gcc collects its garbage as if memory were scarce: that is a twentieth of its time. (clang-tidy does not know the options.)
  if(TAPEDECK_WHOLE)
    target_compile_options(tapedeck_flags INTERFACE --param=ggc-min-expand=300 --param=ggc-min-heapsize=524288)
  endif()
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # Where files are compiled together, gcc takes each for a header, in which local types would be a mistake.
  target_compile_options(tapedeck_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
endif()
# OSS-Fuzz sets its own sanitizers through LIB_FUZZING_ENGINE; then we must add none.
if(TAPEDECK_ASAN AND NOT DEFINED ENV{LIB_FUZZING_ENGINE})
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# tapedeck_headers(<name> [PROGRAM] [FLAGS <options...>] [DEPS <targets...>] HEADERS <headers...>)
# Compiles headers that most files of some targets include once for all of them, in builds of everything. FLAGS are those of the
# targets, which say `target_precompile_headers(<target> REUSE_FROM <name>)`; PROGRAM: position independent code of programs is another.
function(tapedeck_headers name)
  cmake_parse_arguments(ARG "PROGRAM" "" "FLAGS;DEPS;HEADERS" ${ARGN})
  if(NOT TAPEDECK_WHOLE)
    return()
  endif()
  if(ARG_PROGRAM)
    file(CONFIGURE OUTPUT ${name}.cc CONTENT "int main() {}\n")
    add_executable(${name} ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  else()
    file(CONFIGURE OUTPUT ${name}.cc CONTENT "")
    add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  endif()
  target_link_libraries(${name} PRIVATE tapedeck_flags ${ARG_DEPS})
  target_compile_options(${name} PRIVATE ${ARG_FLAGS})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()

# tapedeck_library(<name> DIR <folder> [COLD|WARM] [HEADERS <files...>] [SOURCES <files...>] [SEPARATE <files...>] DEPS <targets...>)
# Declares the folder <folder> (or, of it, HEADERS alone) as the library <name>. Its headers are reached only through an
# include tree of its own (a directory that holds nothing but links to them under their full path), so code that does not link
# <name> cannot include them: the layering of the design is checked by the compiler. SEPARATE: sources that are never compiled
# together with others, for names that they share with the system's headers. COLD: what passes here is a command
# or a file, WARM: a packet of a capture now and then, or an event that somebody looks at.
function(tapedeck_library name)
  cmake_parse_arguments(ARG "COLD;WARM" "DIR" "HEADERS;SOURCES;SEPARATE;DEPS" ${ARGN})
  set(tree ${PROJECT_BINARY_DIR}/include-trees/${name})
  if(ARG_HEADERS)
    file(MAKE_DIRECTORY ${tree}/${ARG_DIR})
    foreach(header IN LISTS ARG_HEADERS)
      file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${ARG_DIR}/${header} ${tree}/${ARG_DIR}/${header} SYMBOLIC)
    endforeach()
  else()
    cmake_path(GET ARG_DIR PARENT_PATH parent)
    file(MAKE_DIRECTORY ${tree}/${parent})
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${ARG_DIR} ${tree}/${ARG_DIR} SYMBOLIC)
  endif()
  if(ARG_SOURCES OR ARG_SEPARATE)
    add_library(${name} STATIC ${ARG_SOURCES} ${ARG_SEPARATE})
    target_include_directories(${name} PUBLIC ${tree})
    target_link_libraries(${name} PUBLIC tapedeck_flags ${ARG_DEPS})
    target_compile_options(${name} PRIVATE ${fuzz_instrumentation})  # libraries only: the rest runs and judges them
    set(headers edge_headers)
    if(ARG_COLD)
      target_compile_options(${name} PRIVATE ${cold_flags})
      set(headers ${cold_headers})
    elseif(ARG_WARM)
      target_compile_options(${name} PRIVATE ${warm_flags})
      set(headers ${warm_headers})
    endif()
    if(ARG_DIR MATCHES "^(replay|fuzz)/" AND TARGET ${headers})
      target_precompile_headers(${name} REUSE_FROM ${headers})
    endif()
    set_source_files_properties(${ARG_SEPARATE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${tree})
    target_link_libraries(${name} INTERFACE tapedeck_flags ${ARG_DEPS})
  endif()
endfunction()

# Tests are not what is tested: the compiler's time is better spent on what they link. An expectation that fails names its line itself.
set(tapedeck_test_flags)
if(NOT CMAKE_BUILD_TYPE STREQUAL Debug)
  set(tapedeck_test_flags -O0 -g0)
endif()

# What nearly every test includes, and needs for it.
set(tapedeck_test_headers
  <algorithm> <array> <cstdint> <cstring> <memory> <optional> <span> <string> <string_view> <utility> <vector>
  <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/strings/str_format.h> <gmock/gmock.h> <gtest/gtest.h>)
set(tapedeck_test_headers_deps GTest::gtest GTest::gmock absl::statusor absl::str_format absl::strings)

# tapedeck_test(<name> [SOURCES <files...>] [HEADERS <files...>] DEPS <targets...>)
# GoogleTests from <name>.cc (or SOURCES), which run in the source directory: a program <name> that ctest knows, or with
# TAPEDECK_WHOLE a part of the program of all the folder's tests with the same DEPS: <folder>_<deps>. HEADERS, said by the first
# of these tests: of the folder, which most of them include and which take long to compile.
function(tapedeck_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;HEADERS;DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${name}.cc)
  endif()
  set(program ${name})
  if(TAPEDECK_WHOLE)
    cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
    list(JOIN ARG_DEPS _ libraries)
    set(program ${folder}_${libraries})
  endif()
  if(TARGET ${program})
    get_target_property(known ${program} SOURCES)
    list(REMOVE_ITEM ARG_SOURCES ${known})
    target_sources(${program} PRIVATE ${ARG_SOURCES})
    return()
  endif()
  add_executable(${program} ${ARG_SOURCES})
  target_link_libraries(${program} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_options(${program} PRIVATE ${tapedeck_test_flags})
  set_target_properties(${program} PROPERTIES UNITY_BUILD OFF)
  if(TAPEDECK_WHOLE AND ARG_HEADERS)
    list(TRANSFORM ARG_HEADERS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    target_link_libraries(${program} PRIVATE ${tapedeck_test_headers_deps})
    target_precompile_headers(${program} PRIVATE ${tapedeck_test_headers} ${ARG_HEADERS})
  elseif(TAPEDECK_WHOLE)
    target_precompile_headers(${program} REUSE_FROM tapedeck_test_headers)
  endif()
  add_test(NAME ${program} COMMAND ${program} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
