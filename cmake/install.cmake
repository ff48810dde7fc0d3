# What `cmake --install` puts in place for C++ applications: find_package(ironbark), target ironbark::client. All of the
# library is one archive: which folders it is made of is nobody's business outside. (The programs install themselves:
# broker/, tools/, bench/. `cmake --install BUILD --component client` installs the library alone.)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(client_parts ironbark_base ironbark_task ironbark_io ironbark_rpc ironbark_record ironbark_client)
set(client_objects)
foreach(part ${client_parts})
    list(APPEND client_objects $<TARGET_OBJECTS:${part}>)
    if(IRONBARK_LTO AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # So that another compiler can link the archive, too.
        target_compile_options(${part} PRIVATE -ffat-lto-objects)
    endif()
endforeach()

add_library(ironbark_archive STATIC ${client_objects})
set_target_properties(ironbark_archive PROPERTIES OUTPUT_NAME ironbark EXPORT_NAME client LINKER_LANGUAGE CXX)
target_compile_features(ironbark_archive INTERFACE cxx_std_20)
target_include_directories(ironbark_archive INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# liburing is not among them: the client runs in the posix world.
target_link_libraries(ironbark_archive
    INTERFACE Threads::Threads zstd::libzstd_shared PkgConfig::lz4 PkgConfig::xxhash)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/ironbark)
install(TARGETS ironbark_archive EXPORT ironbark-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT client)
install(DIRECTORY client/include/ironbark DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT client)
# Included by <ironbark/expected.h>, which finds it beside itself.
install(FILES runtime/base/error.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ironbark/runtime/base COMPONENT client)
install(EXPORT ironbark-targets NAMESPACE ironbark:: DESTINATION ${package_directory} COMPONENT client)
configure_package_config_file(cmake/ironbark-config.cmake.in ${PROJECT_BINARY_DIR}/ironbark-config.cmake
    INSTALL_DESTINATION ${package_directory})
# Until 1.0 every minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ironbark-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ironbark-config.cmake ${PROJECT_BINARY_DIR}/ironbark-config-version.cmake
    DESTINATION ${package_directory} COMPONENT client)
