// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <random>

#include "check.h"
#include "levels.h"
#include "video/warp.h"

using avg::Affine;
using avg::Image;
using avg::PixelFormat;

namespace {

constexpr PixelFormat kPlanar[] = {PixelFormat::kI420, PixelFormat::kNv12, PixelFormat::kNv21};
// All numbers have few bits, so that a shifted map gives the same positions. 1 to 16 taps, close together and far
// apart, level and tilted, also backwards.
constexpr Affine kMaps[] = {
    {1.5, 0, 5, 0, 1.5, 3},          {3.75, 0.0625, 4, -0.0625, 3.75, 5}, {-2.25, 0, 120, 0, 2.25, 3},
    {-5.5, 0, 120, 0, -5.5, 90},     {0.75, 0.125, 3, -0.125, 0.75, 9},   {1.5, -0.25, 6, 0.25, 1.5, 2},
    {2.25, 0.5, -4, -0.5, 2.25, 30}, {2.75, 1.25, 9, -1.25, 2.75, 40},    {6.5, 0, -1, 0, 6.5, 4}};

// A plane whose last byte is the last one that may be read.
class GuardedPlane {
 public:
  explicit GuardedPlane(size_t bytes) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    size_ = (bytes + page - 1) / page * page + page;
    base_ = static_cast<uint8_t*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + size_ - page, page, PROT_NONE);
    data_ = base_ + size_ - page - bytes;
  }
  ~GuardedPlane() { munmap(base_, size_); }
  GuardedPlane(const GuardedPlane&) = delete;
  GuardedPlane& operator=(const GuardedPlane&) = delete;
  uint8_t* data() { return data_; }

 private:
  size_t size_ = 0;
  uint8_t* base_ = nullptr;
  uint8_t* data_ = nullptr;
};

enum class Noise : uint8_t { kAny, kExtremes };

struct Picture {
  std::vector<std::unique_ptr<GuardedPlane>> planes;
  Image image;

  Picture(PixelFormat format, int32_t width, int32_t height, Noise noise = Noise::kAny) {
    image.format = format;
    image.width = width;
    image.height = height;
    std::mt19937 generator(5);
    const auto byte = [&] {
      const auto any = static_cast<uint8_t>(generator());
      return noise == Noise::kAny ? any : static_cast<uint8_t>(any % 2 * 255);
    };
    for (int i = 0; i < avg::PlaneCount(format); ++i) {
      const size_t bytes = avg::RowBytes(image, i) * static_cast<size_t>(avg::PlaneRows(image, i));
      planes.push_back(std::make_unique<GuardedPlane>(bytes));
      std::generate_n(planes.back()->data(), bytes, byte);
      image.stride[i] = static_cast<ptrdiff_t>(avg::RowBytes(image, i));
      image.plane[i] = planes.back()->data();
    }
  }
};

void CheckAgainstSinglePixels(const Image& image, const Affine& map) {
  constexpr int32_t kWidth = 43, kHeight = 29;
  std::vector<avg::Level> rows(3 * kWidth * kHeight), singly(rows.size());
  avg::WarpToRgb(image, map, kWidth, kHeight, avg::Border::kReplicate, rows.data());
  for (int32_t y = 0; y < kHeight; ++y) {
    for (int32_t x = 0; x < kWidth; ++x) {
      Affine moved = map;
      moved.c += map.a * x + map.b * y;
      moved.f += map.d * x + map.e * y;
      avg::Level pixel[3];
      avg::WarpToRgb(image, moved, 1, 1, avg::Border::kReplicate, pixel);
      for (int c = 0; c < 3; ++c) singly[static_cast<size_t>((c * kHeight + y) * kWidth + x)] = pixel[c];
    }
  }
  CHECK(rows == singly);
}

}  // namespace

TEST(ManyPixelsAtOnceHaveTheBitsOfSinglePixels) {
  for (const PixelFormat format : kPlanar) {
    const Picture picture(format, 131, 95);
    for (const Affine& map : kMaps) CheckAgainstSinglePixels(picture.image, map);
  }
}

// Black, white and the colours that no screen shows: where 32 bits are nearly used up, as the sanitizer would tell.
TEST(ExtremeColoursHaveTheBitsOfSinglePixelsInEveryMatrix) {
  Picture picture(PixelFormat::kI420, 131, 95, Noise::kExtremes);
  for (const avg::ColorMatrix matrix :
       {avg::ColorMatrix::kBt601, avg::ColorMatrix::kBt709, avg::ColorMatrix::kBt2020}) {
    for (const bool full_range : {false, true}) {
      picture.image.matrix = matrix;
      picture.image.full_range = full_range;
      CheckAgainstSinglePixels(picture.image, Affine{1, 0, 4, 0, 1, 4});
      CheckAgainstSinglePixels(picture.image, kMaps[0]);
    }
  }
}

TEST(ManyPixelsAtOnceStayInsideThePlanes) {
  std::vector<avg::Level> rgb(3 * 90 * 60);
  for (const PixelFormat format : kPlanar) {
    for (int32_t size = 20; size < 36; ++size) {
      const Picture picture(format, size, size - size % 3);
      for (int turn = 0; turn < 360; turn += 90) {
        Image turned = picture.image;
        turned.rotation_deg = turn;
        for (const Affine& map : kMaps) avg::WarpToRgb(turned, map, 90, 60, avg::Border::kReplicate, rgb.data());
        avg::WarpToRgb(turned, Affine{0.5, 0, -2, 0, 0.5, -2}, 90, 60, avg::Border::kBlack, rgb.data());
      }
    }
  }
  CHECK(true);
}
