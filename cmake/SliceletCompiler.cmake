# How every target is compiled.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
# Line tables are enough for a backtrace, and halve link time. Optimised a little, a schedule under the address sanitizer costs a third.
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g0")
# Files of tests alone are not worth optimising: a third of their compile time. What they test is built as it is installed.
set(SLICELET_TEST_OPTIONS $<$<CONFIG:Release>:-O0>)
if(SLICELET_SANITIZE)
  set(SLICELET_TEST_OPTIONS -O0)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Paths relative to the sources, so that every checkout and worktree of one machine shares the cache. Precompiled
  # headers need the sloppiness; nothing here uses the time macros.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    list(INSERT CMAKE_CXX_COMPILER_LAUNCHER -1 ${PROJECT_SOURCE_DIR}/cmake/ccache-clang.sh)
  endif()
endif()

add_library(slicelet_compile_options INTERFACE)
target_compile_options(slicelet_compile_options INTERFACE
  # Designated initializers leave out what has a default.
  -pthread -Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers -ffunction-sections -fdata-sections)
# nlohmann/json asserts at every value that is made, copied or destroyed. A trap stops as surely, and is small enough to be inlined.
target_compile_options(slicelet_compile_options INTERFACE "-DJSON_ASSERT(x)=((x)?void():__builtin_trap())")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlaps and overruns inside inlined std::string code that has none (GCC bugs 105329 and 105651).
  target_compile_options(slicelet_compile_options INTERFACE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
    -Wno-stringop-overread)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's own stable_sort uses what it calls deprecated.
  target_compile_options(slicelet_compile_options INTERFACE -Wno-deprecated-declarations)
endif()
target_include_directories(slicelet_compile_options INTERFACE ${PROJECT_SOURCE_DIR})
# lld links a program of this size in under a second.
find_program(LLD NAMES ld.lld ld.lld-19)
if(LLD)
  get_filename_component(LLD_NAME ${LLD} NAME)
  if(LLD_NAME STREQUAL "ld.lld")
    add_link_options(-fuse-ld=lld)
  else()
    # g++ looks for a program named ld.lld in its -B directories.
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/linker)
    file(CREATE_LINK ${LLD} ${CMAKE_BINARY_DIR}/linker/ld.lld SYMBOLIC)
    add_link_options(-B${CMAKE_BINARY_DIR}/linker -fuse-ld=lld)
  endif()
endif()
add_link_options(-Wl,--gc-sections)

if(SLICELET_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link -Wno-error)
endif()
if(SLICELET_SANITIZE)
  add_compile_options(-fsanitize=${SLICELET_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SLICELET_SANITIZE})
endif()
if(SLICELET_SANITIZE MATCHES "address")
  # Accesses beyond an object are what the address sanitizer sees; to ask for each one's size as well is a quarter of a build.
  add_compile_options(-fno-sanitize=object-size)
endif()
