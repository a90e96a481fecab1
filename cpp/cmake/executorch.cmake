# SPDX-License-Identifier: Apache-2.0
# avg_executorch: the ExecuTorch runtime with the XNNPACK delegate, to link against.
# AVG_EXECUTORCH_LIBRARIES, AVG_EXECUTORCH_LICENSE: the files to install beside what links it.

if(NOT AVG_EXECUTORCH_DIR)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" "${CMAKE_CURRENT_LIST_DIR}/fetch_executorch.py"
            "${CMAKE_SYSTEM_NAME}" "${CMAKE_SYSTEM_PROCESSOR}"
    OUTPUT_VARIABLE AVG_EXECUTORCH_FETCHED
    OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE AVG_FETCH_FAILED)
  if(AVG_FETCH_FAILED)
    message(FATAL_ERROR "The ExecuTorch runtime could not be fetched (reason above). "
                        "Offline: unpack its wheel and pass -DAVG_EXECUTORCH_DIR=<unpacked>/executorch, "
                        "or set the environment variable AVG_EXECUTORCH_DIR.")
  endif()
  # Not cached: the user's cache folder may move between two configures.
  set(AVG_EXECUTORCH_DIR "${AVG_EXECUTORCH_FETCHED}")
endif()

find_package(executorch 1.5 REQUIRED COMPONENTS runtime threadpool backend_xnnpack
             PATHS "${AVG_EXECUTORCH_DIR}/share/cmake" NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)

set(AVG_EXECUTORCH_LIBRARIES "")
foreach(component runtime threadpool backend_xnnpack)
  # The package's link options record its own folder as RUNPATH; ours is set by INSTALL_RPATH.
  set_property(TARGET executorch::${component} PROPERTY INTERFACE_LINK_OPTIONS "")
  get_target_property(library executorch::${component} IMPORTED_LOCATION)
  list(APPEND AVG_EXECUTORCH_LIBRARIES "${library}")
endforeach()

add_library(avg_executorch INTERFACE)
target_link_libraries(avg_executorch INTERFACE
  executorch::runtime executorch::threadpool
  # The delegate registers itself when loaded; nothing refers to its symbols, so --as-needed would drop it.
  "$<LINK_LIBRARY:AVG_KEEP,executorch::backend_xnnpack>")
set(CMAKE_LINK_LIBRARY_USING_AVG_KEEP "LINKER:--push-state,--no-as-needed" "<LINK_ITEM>" "LINKER:--pop-state")
set(CMAKE_LINK_LIBRARY_USING_AVG_KEEP_SUPPORTED TRUE)

file(GLOB AVG_EXECUTORCH_LICENSE "${AVG_EXECUTORCH_DIR}/LICENSE.executorch"
     "${AVG_EXECUTORCH_DIR}/../executorch-*.dist-info/licenses/LICENSE")
# A build from source (mobile_demo/android) has its licence in its own sources.
if(AVG_EXECUTORCH_LICENSE)
  list(GET AVG_EXECUTORCH_LICENSE 0 AVG_EXECUTORCH_LICENSE)
endif()
