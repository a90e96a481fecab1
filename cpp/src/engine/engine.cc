// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

namespace avg {

bool Fits(const Network& network, const Interface& interface) {
  if (network.inputs() != interface.input_count || network.outputs() != interface.output_count) return false;
  for (size_t i = 0; i < interface.input_count; ++i) {
    if (network.input_size(i) != interface.inputs[i].size()) return false;
  }
  for (size_t i = 0; i < interface.output_count; ++i) {
    if (network.output_size(i) != interface.outputs[i].size()) return false;
  }
  return true;
}

}  // namespace avg
