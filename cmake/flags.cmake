# One interface target, `ironbark_flags`, carries the warnings and the code-generation rules of the house.
option(IRONBARK_TESTS "build the tests" ON)
option(IRONBARK_MIMALLOC "link the programs with mimalloc" OFF)
option(IRONBARK_LTO "link-time optimisation" OFF)
option(IRONBARK_UNITY "compile the files of a target in batches (preset test)" OFF)
option(IRONBARK_FUZZ "build the libFuzzer targets (clang only)" OFF)
set(IRONBARK_SANITIZE "" CACHE STRING "comma separated sanitizers: address, undefined, thread")

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$")
    message(FATAL_ERROR "g++ 12 overflows the stack on long chains of coroutines below -O2. "
                        "Use -DCMAKE_BUILD_TYPE=RelWithDebInfo (or Release), or clang 19.")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND IRONBARK_SANITIZE MATCHES "address|thread")
    message(FATAL_ERROR "Sanitized coroutines need clang 19: -DCMAKE_CXX_COMPILER=clang++-19")
endif()
if(IRONBARK_MIMALLOC AND IRONBARK_SANITIZE)
    message(FATAL_ERROR "IRONBARK_MIMALLOC and IRONBARK_SANITIZE exclude each other: both replace the allocator")
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers need the sloppiness. Looking files up by the dependencies of their last compilation spares those
    # that are not found a run of the preprocessor.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_DEPEND=1 CCACHE_SLOPPINESS=pch_defines,time_macros
                                    ${CCACHE_PROGRAM})
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
# Most of the time that a file takes is spent on our own headers. In batches they are read once for so many files: the more,
# the cheaper, as long as two cores end at about the same time.
set(CMAKE_UNITY_BUILD ${IRONBARK_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 16)

add_library(ironbark_flags INTERFACE)
target_include_directories(ironbark_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(ironbark_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Werror -fno-strict-aliasing)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 reports members of coroutine frames as maybe uninitialised where clang and valgrind see none.
    target_compile_options(ironbark_flags INTERFACE -Wno-maybe-uninitialized -Wno-dangling-pointer)
    if(IRONBARK_UNITY)
        # Takes a file of a batch for a header, whose anonymous namespaces would be another thing in each file.
        target_compile_options(ironbark_flags INTERFACE -Wno-subobject-linkage)
    endif()
endif()
target_compile_definitions(ironbark_flags INTERFACE _GLIBCXX_ASSERTIONS)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    # CRC-32C and XXH3 use what every x86-64 server since 2013 has.
    target_compile_options(ironbark_flags INTERFACE -march=x86-64-v3)
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND NOT IRONBARK_LTO)
    target_link_options(ironbark_flags INTERFACE -fuse-ld=mold)
endif()
if(IRONBARK_SANITIZE)
    add_compile_options(-fsanitize=${IRONBARK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${IRONBARK_SANITIZE})
endif()
if(IRONBARK_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(IRONBARK_LTO)
    include(CheckIPOSupported)
    check_ipo_supported(LANGUAGES CXX)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    # g++ numbers the variables in a coroutine's frame anew in each file, and then takes one inline coroutine for two.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_link_options(-Wno-odr)
    endif()
endif()

# ironbark_module(NAME SOURCES ... USES ...): one folder, one library, and the folders it may use.
function(ironbark_module name)
    cmake_parse_arguments(module "" "" "SOURCES;USES;PRIVATE_USES" ${ARGN})
    add_library(${name} STATIC ${module_SOURCES})
    target_link_libraries(${name} PUBLIC ${module_USES} PRIVATE $<BUILD_INTERFACE:ironbark_flags> ${module_PRIVATE_USES})
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
    target_precompile_headers(${name} REUSE_FROM ironbark_precompiled)
endfunction()

# ironbark_program(NAME SOURCES ... USES ...): an executable, with mimalloc as its allocator where asked for.
function(ironbark_program name)
    cmake_parse_arguments(program "" "" "SOURCES;USES" ${ARGN})
    add_executable(${name} ${program_SOURCES})
    target_link_libraries(${name} PRIVATE ${program_USES} ironbark_flags)
    target_precompile_headers(${name} REUSE_FROM ironbark_precompiled)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
    if(IRONBARK_MIMALLOC)
        target_link_options(${name} PRIVATE "LINKER:--push-state,--no-as-needed" "$<TARGET_FILE:mimalloc>"
                            "LINKER:--pop-state")
    endif()
endfunction()

# ironbark_test(NAME SOURCES ... USES ... [SECONDS n]): one test program; a test of more than a minute belongs to --full.
# SECONDS is about how long it takes, where that is more than a moment: ctest begins with the longest.
function(ironbark_test name)
    cmake_parse_arguments(test "" "SECONDS" "SOURCES;USES" ${ARGN})
    add_executable(${name} ${test_SOURCES})
    target_link_libraries(${name} PRIVATE ${test_USES} GTest::gtest GTest::gmock GTest::gtest_main ironbark_flags)
    target_compile_options(${name} PRIVATE ${test_optimisation})
    target_precompile_headers(${name} REUSE_FROM ironbark_precompiled_test)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
    if(test_SECONDS)
        set_tests_properties(${name} PROPERTIES COST ${test_SECONDS})
    endif()
endfunction()
