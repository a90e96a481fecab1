# SPDX-License-Identifier: Apache-2.0
# The targets that cpp/cmake/executorch.cmake asks for, over an ExecuTorch that was built from source with the NDK and
# installed into AVG_EXECUTORCH_INSTALL/ABI: its own package names them otherwise than the wheels do.
set(AVG_EXECUTORCH_INSTALL "$ENV{AVG_EXECUTORCH_INSTALL}" CACHE PATH "folder with an installed ExecuTorch for each ABI")
set(executorch_root "${AVG_EXECUTORCH_INSTALL}/${ANDROID_ABI}")
if(NOT EXISTS "${executorch_root}/lib/libexecutorch.a")
  message(FATAL_ERROR "There is no ExecuTorch in ${executorch_root}. Build it once for each ABI as "
                      "mobile_demo/android/README.md says, and set AVG_EXECUTORCH_INSTALL to the folder above.")
endif()

# avg_component(NAME LIBRARY [NEEDED...]): executorch::NAME, and the archives that it needs behind it.
function(avg_component name library)
  add_library(executorch::${name} STATIC IMPORTED GLOBAL)
  # Into which archives the parts go differs a little between releases.
  set(needed "")
  foreach(part IN LISTS ARGN)
    if(EXISTS "${executorch_root}/lib/lib${part}.a")
      list(APPEND needed "${executorch_root}/lib/lib${part}.a")
    endif()
  endforeach()
  set_target_properties(executorch::${name} PROPERTIES
    IMPORTED_LOCATION "${executorch_root}/lib/lib${library}.a"
    INTERFACE_INCLUDE_DIRECTORIES
      "${executorch_root}/include;${executorch_root}/include/executorch/runtime/core/portable_type/c10"
    INTERFACE_COMPILE_DEFINITIONS C10_USING_CUSTOM_GENERATED_MACROS
    INTERFACE_LINK_LIBRARIES "${needed}")
endfunction()

avg_component(runtime extension_module_static extension_data_loader extension_flat_tensor extension_named_data_map
              extension_tensor executorch executorch_core)
avg_component(threadpool extension_threadpool cpuinfo pthreadpool)
avg_component(backend_xnnpack xnnpack_backend XNNPACK xnnpack-microkernels-prod kleidiai extension_threadpool cpuinfo
              pthreadpool executorch_core)
