# ridgeline_box(NAME SOURCES... DEPENDS...): one static library of the project. Its sources are all .cc files under the given folders.
add_library(ridgeline_options INTERFACE)
target_include_directories(ridgeline_options INTERFACE ${CMAKE_SOURCE_DIR})
# g++ 12 reports -Wrestrict inside its own std::string for plain concatenation (GCC bug 105651), and -Wmaybe-uninitialized for
# the unused half of std::optional at -O3.
target_compile_options(ridgeline_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  $<$<BOOL:${RIDGELINE_WERROR}>:-Werror>)

function(ridgeline_box name)
  cmake_parse_arguments(PARSE_ARGV 1 box "" "" "FOLDERS;DEPENDS;PRIVATE_DEPENDS")
  set(sources)
  foreach(folder IN LISTS box_FOLDERS)
    file(GLOB found CONFIGURE_DEPENDS ${folder}/*.cc)
    list(APPEND sources ${found})
  endforeach()
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(NOT sources)
    # A box that holds only headers so far.
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}_empty.cc "")
    list(APPEND sources ${CMAKE_CURRENT_BINARY_DIR}/${name}_empty.cc)
  endif()
  add_library(ridgeline_${name} STATIC ${sources})
  set_target_properties(ridgeline_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(ridgeline_${name} PUBLIC ridgeline_options ${box_DEPENDS} PRIVATE ${box_PRIVATE_DEPENDS})
endfunction()

# ridgeline_test(NAME LABEL label FOLDER folder DEPENDS...): one test program of all *_test.cc files in a folder.
function(ridgeline_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "" "LABEL;FOLDER;TIMEOUT" "DEPENDS")
  if(NOT test_FOLDER)
    set(test_FOLDER ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT 60)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${test_FOLDER}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${test_DEPENDS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE RIDGELINE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" RIDGELINE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${test_LABEL} TIMEOUT ${test_TIMEOUT})
endfunction()

# ridgeline_benchmark(NAME DEPENDS...): google/benchmark program NAME from NAME.cc; run by hand.
function(ridgeline_benchmark name)
  add_executable(${name} ${name}.cc)
  target_link_libraries(${name} PRIVATE ${ARGN} benchmark::benchmark)
endfunction()
