// SPDX-License-Identifier: Apache-2.0
// Pictures of any size, format, stride and turn under any map: no read outside of the planes, and the bits of a picture
// do not depend on how much of it is asked for at once.
#include <vector>

#include "input.h"
#include "video/warp.h"

using avg::Image;

namespace {

// A number with few bits, so that a shifted map gives the same positions; now and then anything at all.
double Coefficient(Input* input, bool wild) {
  if (wild) return input->Take<double>();
  return input->Take<int8_t>() / 16.0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  Image image;
  image.format = static_cast<avg::PixelFormat>(input.Between(0, 6));
  image.matrix = static_cast<avg::ColorMatrix>(input.Between(0, 2));
  image.full_range = input.Take<uint8_t>() % 2 != 0;
  image.mirrored = input.Take<uint8_t>() % 2 != 0;
  image.rotation_deg = 90 * input.Between(0, 3);
  image.width = input.Between(1, 70);
  image.height = input.Between(1, 70);
  std::vector<uint8_t> planes[3];
  for (int i = 0; i < avg::PlaneCount(image.format); ++i) {
    const size_t row = avg::RowBytes(image, i), stride = row + static_cast<size_t>(input.Between(0, 5));
    // The last row ends where its pixels do.
    planes[i].resize(stride * static_cast<size_t>(avg::PlaneRows(image, i) - 1) + row);
    for (auto& byte : planes[i]) byte = input.Take<uint8_t>();
    image.plane[i] = planes[i].data();
    image.stride[i] = static_cast<ptrdiff_t>(stride);
  }
  HOLDS(avg::Validate(image) == avg::Status::kOk);
  const bool wild = input.Take<uint8_t>() % 4 == 0;
  avg::Affine map;
  for (double* value : {&map.a, &map.b, &map.c, &map.d, &map.e, &map.f}) *value = Coefficient(&input, wild);
  const auto border = input.Take<uint8_t>() % 2 != 0 ? avg::Border::kBlack : avg::Border::kReplicate;
  const int32_t width = input.Between(1, 40), height = input.Between(1, 12);
  std::vector<avg::Level> rgb(3 * static_cast<size_t>(width) * static_cast<size_t>(height));
  avg::WarpToRgb(image, map, width, height, border, rgb.data());
  if (wild) return 0;
  const int32_t x = input.Between(0, width - 1), y = input.Between(0, height - 1);
  avg::Affine moved = map;
  moved.c += map.a * x + map.b * y;
  moved.f += map.d * x + map.e * y;
  avg::Level pixel[3];
  avg::WarpToRgb(image, moved, 1, 1, border, pixel);
  for (int c = 0; c < 3; ++c) HOLDS(pixel[c] == rgb[static_cast<size_t>((c * height + y) * width + x)]);
  return 0;
}
