// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "avg_spec.h"
#include "bind.h"

namespace {

// What a model and its sessions leave behind are holes in glibc's heap; the process keeps them until somebody asks.
void ReturnFreedMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "avguard's compiled core: the whole line after decoding.";
  m.attr("spec_hash") = avg::spec::hash;
  m.attr("spec_json") = avg::spec::json;
  bind_audio(m);
  bind_video(m);
  bind_session(m);
  m.def("return_freed_memory", &ReturnFreedMemory, pybind11::call_guard<pybind11::gil_scoped_release>());
}
