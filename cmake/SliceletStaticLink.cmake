# slicelet_link_statically(TARGET): links a program with the static archives of the libraries it uses (but for the C
# library) and at a fixed address: on a small host 5 MB less memory than with Debian's shared libraries.
#
# CMake's imported targets name the shared libraries, so the link command is rewritten: static-link.sh takes libX.a
# for libX.so wherever it exists. What gRPC's own archives need is what its pkg-config file says.
function(slicelet_link_statically target)
  execute_process(COMMAND ${PKG_CONFIG_EXECUTABLE} --static --libs-only-l grpc++ protobuf sqlite3 openssl
    OUTPUT_VARIABLE needed OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(needed UNIX_COMMAND "${needed}")
  list(REMOVE_DUPLICATES needed)
  # The C library stays shared.
  list(REMOVE_ITEM needed -lm -ldl -lrt -lpthread -lc)
  set(archives)
  foreach(flag ${needed})
    string(REGEX REPLACE "^-l" "" name ${flag})
    find_library(SLICELET_STATIC_${name} NAMES lib${name}.a)
    mark_as_advanced(SLICELET_STATIC_${name})
    if(SLICELET_STATIC_${name})
      list(APPEND archives ${SLICELET_STATIC_${name}})
    endif()
  endforeach()
  target_link_libraries(${target} PRIVATE -Wl,--start-group ${archives} -Wl,--end-group ${CMAKE_DL_LIBS})
  target_link_options(${target} PRIVATE -no-pie -Wl,--as-needed -Wl,-O1)
  set_target_properties(${target} PROPERTIES RULE_LAUNCH_LINK "\"${PROJECT_SOURCE_DIR}/cmake/static-link.sh\"")
endfunction()
