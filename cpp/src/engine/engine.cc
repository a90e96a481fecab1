// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <algorithm>

namespace avg {
namespace {

bool Fits(const PictureLayout& layout, const TensorShape& shape) {
  if (!layout.interleaved) return true;
  if (shape.rank < 3) return false;
  const auto size = [&](int32_t from_end) { return static_cast<size_t>(shape.shape[shape.rank - from_end]); };
  return layout.channels == size(3) && layout.pixels == size(2) * size(1);
}

}  // namespace

void SetInput(Network* network, size_t i, const float* values) {
  const PictureLayout layout = network->layout(i);
  const size_t count = network->input_size(i);
  float* out = network->input(i);
  if (!layout.interleaved) {
    std::copy(values, values + count, out);
    return;
  }
  for (size_t picture = 0; picture < count / (layout.channels * layout.pixels); ++picture) {
    for (size_t pixel = 0; pixel < layout.pixels; ++pixel) {
      for (size_t channel = 0; channel < layout.channels; ++channel) {
        *out++ = values[channel * layout.pixels + pixel];
      }
    }
    values += layout.channels * layout.pixels;
  }
}

bool Fits(const Network& network, const Interface& interface) {
  if (network.inputs() != interface.input_count || network.outputs() != interface.output_count) return false;
  for (size_t i = 0; i < interface.input_count; ++i) {
    if (network.input_size(i) != interface.inputs[i].size()) return false;
    // What is no picture is written as it is.
    if (network.layout(i).interleaved && i > 0) return false;
    if (!Fits(network.layout(i), interface.inputs[i])) return false;
  }
  for (size_t i = 0; i < interface.output_count; ++i) {
    if (network.output_size(i) != interface.outputs[i].size()) return false;
  }
  return true;
}

}  // namespace avg
