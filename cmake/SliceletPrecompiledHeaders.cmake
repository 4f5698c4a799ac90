# Most files include JSON, Status or Protobuf, which cost 2 of the 4 seconds a typical file takes. They are
# compiled once, for the product and, with GoogleMock, for the tests. Our own messages stay out: a changed field must
# not rebuild what does not use it. Headers of one adapter alone (gRPC, Beast,
# cpprestsdk, CLI11) stay out: they belong into few files. Every file still includes what it uses; a build with
# SLICELET_PRECOMPILE=OFF shows it, and clang-tidy runs on such a build.
# JSON's own functions are compiled once instead of in each of 300 files: a fifth of the time of a file that uses it.
# So they are optimised also where tests use them, which are not.
option(SLICELET_PRECOMPILE "Precompile the headers that nearly every file includes" ON)
# A sanitizer's build directory gives the compiler its own flags, and so its own precompiled headers.

set(SLICELET_COMMON_HEADERS
  <algorithm> <functional> <map> <memory> <optional> <set> <string> <utility> <vector>
  <absl/status/statusor.h> <nlohmann/json.hpp> <google/protobuf/generated_message_reflection.h>
  <google/protobuf/map_field.h> <google/protobuf/message.h> <google/protobuf/repeated_field.h>
  <google/protobuf/unknown_field_set.h>)

# Called once, after the messages' targets exist.
function(slicelet_precompile_headers)
  if(NOT SLICELET_PRECOMPILE)
    return()
  endif()
  foreach(kind product tests)
    set(headers ${SLICELET_COMMON_HEADERS} <common/json/instantiated.h>)
    set(libraries slicelet_compile_options protobuf::libprotobuf nlohmann_json::nlohmann_json absl::statusor)
    if(kind STREQUAL tests)
      if(NOT SLICELET_BUILD_TESTS)
        break()
      endif()
      list(APPEND headers <gmock/gmock.h> <gtest/gtest.h>)
      list(APPEND libraries GTest::gmock GTest::gtest)
    endif()
    set(source ${CMAKE_BINARY_DIR}/generated/precompiled_${kind}.cc)
    file(CONFIGURE OUTPUT ${source} CONTENT "// Gives CMake a place for the precompiled headers.\n")
    # Tests are not in `all`, and neither is what only they need.
    add_library(slicelet_precompiled_${kind} OBJECT EXCLUDE_FROM_ALL ${source})
    target_link_libraries(slicelet_precompiled_${kind} PRIVATE ${libraries})
    if(kind STREQUAL tests)
      target_compile_options(slicelet_precompiled_tests PRIVATE ${SLICELET_TEST_OPTIONS})
    endif()
    target_precompile_headers(slicelet_precompiled_${kind} PRIVATE ${headers})
  endforeach()
endfunction()

# slicelet_use_precompiled(TARGET product|tests)
function(slicelet_use_precompiled target kind)
  if(TARGET slicelet_precompiled_${kind})
    target_precompile_headers(${target} REUSE_FROM slicelet_precompiled_${kind})
    target_link_libraries(${target} PRIVATE slicelet_json)
  endif()
endfunction()
