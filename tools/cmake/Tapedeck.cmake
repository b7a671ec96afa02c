# How every target of the project is built: options, flags, and the two functions that declare a folder and a test.

option(TAPEDECK_TESTS "Build the tests" ON)
option(TAPEDECK_BENCH "Build the benchmarks, which need Google Benchmark and GoogleTest" OFF)
option(TAPEDECK_ASAN "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(TAPEDECK_ADAPTER "Build libtapedeck_packetdrill.so; everything becomes position independent" OFF)
option(TAPEDECK_LTO "Optimise across files: a fifth faster, slow to link" OFF)


set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
# CHECK does not depend on NDEBUG; -O2 everywhere keeps one set of code generation choices.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${TAPEDECK_LTO})
if(TAPEDECK_ADAPTER)
  # With hidden symbols a shared library's code is as fast as a program's.
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  set(CMAKE_CXX_VISIBILITY_PRESET hidden)
  set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
endif()

add_library(tapedeck_flags INTERFACE)
target_compile_options(tapedeck_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Werror
  # Headers are overlaid on packet bytes, as in the kernel, and as in the kernel that is made legal by this flag.
  -fno-strict-aliasing
  # No floating point decides anything in the core; this keeps what is printed equal across compilers too.
  -ffp-contract=off
  # Assertions and debug paths name files from the root, wherever the build directory lies.
  -ffile-prefix-map=${PROJECT_BINARY_DIR}/include-trees/= -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
# OSS-Fuzz sets its own sanitizers through LIB_FUZZING_ENGINE; then we must add none.
if(TAPEDECK_ASAN AND NOT DEFINED ENV{LIB_FUZZING_ENGINE})
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# tapedeck_library(<name> DIR <folder> [HEADERS <files...>] [SOURCES <files...>] DEPS <targets...>)
# Declares the folder <folder> (or, of it, HEADERS alone) as the library <name>. Its headers are reached only through an
# include tree of its own (a directory that holds nothing but links to them under their full path), so code that does not link
# <name> cannot include them: the layering of the design is checked by the compiler.
function(tapedeck_library name)
  cmake_parse_arguments(ARG "" "DIR" "HEADERS;SOURCES;DEPS" ${ARGN})
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
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_include_directories(${name} PUBLIC ${tree})
    target_link_libraries(${name} PUBLIC tapedeck_flags ${ARG_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${tree})
    target_link_libraries(${name} INTERFACE tapedeck_flags ${ARG_DEPS})
  endif()
endfunction()

# tapedeck_test(<name> [SOURCES <files...>] DEPS <targets...>)
# A GoogleTest program <name> from <name>.cc (or SOURCES), run by ctest. It runs in the source directory.
function(tapedeck_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${name}.cc)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
