# SPDX-License-Identifier: Apache-2.0
# avguard, avguard_static: the library for C programs, and what `cmake --install` puts where.
include(GNUInstallDirs)
set(AVG_ABI 1) # AVG_ABI_VERSION in avguard.h

# The same objects go into both; they are ordinary ones, which any linker reads.
set_target_properties(avg_core PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF OUTPUT_NAME avguard)

add_library(avguard SHARED $<TARGET_OBJECTS:avg_core>)
set_target_properties(avguard PROPERTIES
  LINKER_LANGUAGE CXX VERSION ${AVG_VERSION} SOVERSION ${AVG_ABI} INTERPROCEDURAL_OPTIMIZATION OFF
  INSTALL_RPATH "$ORIGIN/avguard" LINK_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/abi/avguard.map")
target_include_directories(avguard INTERFACE include)
target_link_libraries(avguard PRIVATE avg_options $<TARGET_NAME_IF_EXISTS:avg_executorch>)
target_link_options(avguard PRIVATE
  "LINKER:--version-script=${CMAKE_CURRENT_SOURCE_DIR}/abi/avguard.map" LINKER:--gc-sections LINKER:--no-undefined)

# The engine's libraries have a folder of their own: they are ours to bring, and nobody else's to find.
set(AVG_ENGINE_NAMES "")
foreach(library IN LISTS AVG_EXECUTORCH_LIBRARIES)
  get_filename_component(name "${library}" NAME)
  list(APPEND AVG_ENGINE_NAMES "${name}")
endforeach()
set(AVG_ENGINE_LINK "")
if(AVG_ENGINE_NAMES)
  list(TRANSFORM AVG_ENGINE_NAMES PREPEND "-l:" OUTPUT_VARIABLE names)
  list(JOIN names " " names)
  # The delegate registers itself when loaded; --as-needed would drop it.
  set(AVG_ENGINE_LINK "-L\${libdir}/avguard -Wl,-rpath,\${libdir}/avguard -Wl,--no-as-needed ${names} -Wl,--as-needed")
endif()

install(TARGETS avguard LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS avg_core ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/avguard.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${AVG_EXECUTORCH_LIBRARIES} ${AVG_EXECUTORCH_LICENSE} DESTINATION ${CMAKE_INSTALL_LIBDIR}/avguard)
configure_file(cmake/avguard.pc.in avguard.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/avguard.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/avguard-config.cmake.in avguard-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/avguard PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(avguard-config-version.cmake VERSION ${AVG_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/avguard-config.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/avguard-config-version.cmake"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/avguard)
