// SPDX-License-Identifier: Apache-2.0
#include "video/image.h"

namespace avg {

int PlaneCount(PixelFormat format) {
  switch (format) {
    case PixelFormat::kI420:
      return 3;
    case PixelFormat::kNv12:
    case PixelFormat::kNv21:
      return 2;
    default:
      return 1;
  }
}

size_t RowBytes(const Image& image, int plane) {
  const size_t width = static_cast<size_t>(image.width);
  const size_t half = (width + 1) / 2;
  switch (image.format) {
    case PixelFormat::kI420:
      return plane == 0 ? width : half;
    case PixelFormat::kNv12:
    case PixelFormat::kNv21:
      return plane == 0 ? width : 2 * half;
    case PixelFormat::kRgb24:
      return 3 * width;
    case PixelFormat::kBgra:
    case PixelFormat::kRgba:
      return 4 * width;
    case PixelFormat::kGray8:
      return width;
  }
  return 0;
}

int32_t PlaneRows(const Image& image, int plane) { return plane == 0 ? image.height : (image.height + 1) / 2; }

Status Validate(const Image& image) {
  if (image.width < 1 || image.height < 1) return Status::kInvalidArgument;
  if (image.width > kMaxImageSide || image.height > kMaxImageSide) return Status::kLimit;
  if (image.rotation_deg < 0 || image.rotation_deg > 270 || image.rotation_deg % 90 != 0) {
    return Status::kInvalidArgument;
  }
  for (int plane = 0; plane < PlaneCount(image.format); ++plane) {
    if (image.plane[plane] == nullptr) return Status::kInvalidArgument;
    if (image.stride[plane] < static_cast<ptrdiff_t>(RowBytes(image, plane))) {
      return Status::kInvalidArgument;
    }
  }
  return Status::kOk;
}

Affine Compose(const Affine& outer, const Affine& inner) {
  return {outer.a * inner.a + outer.b * inner.d,           outer.a * inner.b + outer.b * inner.e,
          outer.a * inner.c + outer.b * inner.f + outer.c, outer.d * inner.a + outer.e * inner.d,
          outer.d * inner.b + outer.e * inner.e,           outer.d * inner.c + outer.e * inner.f + outer.f};
}

Affine Invert(const Affine& map) {
  const double scale = 1.0 / (map.a * map.e - map.b * map.d);
  Affine inverse{map.e * scale, -map.b * scale, 0, -map.d * scale, map.a * scale, 0};
  inverse.c = -(inverse.a * map.c + inverse.b * map.f);
  inverse.f = -(inverse.d * map.c + inverse.e * map.f);
  return inverse;
}

Affine UprightToStored(const Image& image) {
  const double width = image.width;
  const double height = image.height;
  Affine turn;
  switch (image.rotation_deg) {
    case 90:
      turn = {0, 1, 0, -1, 0, height};
      break;
    case 180:
      turn = {-1, 0, width, 0, -1, height};
      break;
    case 270:
      turn = {0, -1, width, 1, 0, 0};
      break;
    default:
      break;
  }
  if (!image.mirrored) return turn;
  return Compose(Affine{-1, 0, width, 0, 1, 0}, turn);
}

}  // namespace avg
