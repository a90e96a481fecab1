// SPDX-License-Identifier: Apache-2.0
#include "avg_spec.h"
#include "bind.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "avguard's compiled core: the whole line after decoding.";
  m.attr("spec_hash") = avg::spec::hash;
  m.attr("spec_json") = avg::spec::json;
  bind_audio(m);
  bind_video(m);
  bind_session(m);
}
