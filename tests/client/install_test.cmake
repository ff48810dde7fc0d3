# Installs the client library into a prefix of its own, builds the examples from there as another project, and runs
# them as far as they go without a broker: cmake -DBUILD=... -DSOURCE=... -DWORK=... -DCOMPILER=... -DFLAGS=... -P
file(REMOVE_RECURSE ${WORK})

function(run)
    cmake_parse_arguments(run "" "EXPECTED" "COMMAND" ${ARGN})
    execute_process(COMMAND ${run_COMMAND} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result STREQUAL run_EXPECTED)
        string(JOIN " " command ${run_COMMAND})
        message(FATAL_ERROR "${command}\nended with ${result}, not ${run_EXPECTED}:\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

run(EXPECTED 0 COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix --component client)
run(EXPECTED 0 COMMAND ${CMAKE_COMMAND} -G Ninja -S ${SOURCE}/tests/client/installed -B ${WORK}/build
    -DCMAKE_PREFIX_PATH=${WORK}/prefix -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${FLAGS}
    -DCMAKE_BUILD_TYPE=Release -DEXAMPLES=${SOURCE}/client/examples)
run(EXPECTED 0 COMMAND ${CMAKE_COMMAND} --build ${WORK}/build)

run(EXPECTED 2 COMMAND ${WORK}/build/produce)
run(EXPECTED 2 COMMAND ${WORK}/build/consume)
run(EXPECTED 2 COMMAND ${WORK}/build/produce topic liner.ms=5)
if(NOT output MATCHES "did you mean 'linger.ms'")
    message(FATAL_ERROR "the example says nothing of use: ${output}")
endif()
# Nobody listens on port 1.
run(EXPECTED 1 COMMAND ${WORK}/build/produce topic bootstrap.servers=127.0.0.1:1 max.block.ms=100)
if(NOT output MATCHES "connection_refused")
    message(FATAL_ERROR "the example says nothing of use: ${output}")
endif()
file(REMOVE_RECURSE ${WORK})
