# Headers that most files include, parsed once for all: a third of the time that a file takes is the standard library.
# None of ours is among them, or a change of it would build everything anew. Each file still includes what it uses: the
# presets release, clang and those that inherit from clang go without, and a missing include ends their build.
set(precompiled_headers
    <algorithm> <array> <atomic> <bit> <chrono> <compare> <coroutine> <cstddef> <cstdint> <cstring> <deque> <exception>
    <functional> <map> <memory> <mutex> <optional> <set> <span> <string> <string_view> <type_traits> <utility>
    <variant> <vector>)

# ironbark_precompile(NAME USES ... OPTIONS ... HEADERS ...): a target whose headers others of the same options REUSE_FROM.
function(ironbark_precompile name)
    cmake_parse_arguments(precompiled "" "" "USES;OPTIONS;HEADERS" ${ARGN})
    set(source ${PROJECT_BINARY_DIR}/${name}.cc)
    file(CONFIGURE OUTPUT ${source} CONTENT "// A target has to have a file.\n")
    add_library(${name} OBJECT ${source})
    target_link_libraries(${name} PRIVATE ${precompiled_USES} ironbark_flags)
    target_compile_options(${name} PRIVATE ${precompiled_OPTIONS})
    target_precompile_headers(${name} PRIVATE ${precompiled_headers} ${precompiled_HEADERS})
endfunction()

ironbark_precompile(ironbark_precompiled)

if(IRONBARK_TESTS)
    # What is tested is optimised; the tests themselves only as far as chains of coroutines need it, to build sooner.
    set(test_optimisation)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        set(test_optimisation -Og -foptimize-sibling-calls)
    endif()
    ironbark_precompile(ironbark_precompiled_test
        USES GTest::gtest OPTIONS ${test_optimisation} HEADERS <gtest/gtest.h>)
endif()
