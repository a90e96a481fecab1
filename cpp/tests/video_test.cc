// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "check.h"
#include "clip/grid.h"
#include "face/align.h"
#include "face/detector.h"
#include "face/mesh.h"
#include "video/warp.h"

using avg::Image;
using avg::PixelFormat;
using avg::Status;

namespace {
// Planes with exactly as many bytes as the format needs: one read too many is caught by the sanitizer.
struct Picture {
  std::vector<uint8_t> planes[3];
  Image image;

  Picture(PixelFormat format, int32_t width, int32_t height) {
    image.format = format;
    image.width = width;
    image.height = height;
    for (int i = 0; i < avg::PlaneCount(format); ++i) {
      image.stride[i] = static_cast<ptrdiff_t>(avg::RowBytes(image, i));
      planes[i].assign(avg::RowBytes(image, i) * static_cast<size_t>(avg::PlaneRows(image, i)), 90);
      image.plane[i] = planes[i].data();
    }
  }
};
}  // namespace

TEST(WarpStaysInsideEveryFormat) {
  for (const auto format : {PixelFormat::kI420, PixelFormat::kNv12, PixelFormat::kNv21, PixelFormat::kRgb24,
                            PixelFormat::kBgra, PixelFormat::kRgba, PixelFormat::kGray8}) {
    for (const int32_t side : {1, 2, 3, 17}) {
      for (const int32_t rotation : {0, 90, 180, 270}) {
        Picture picture(format, side, side + 1);
        picture.image.rotation_deg = rotation;
        picture.image.mirrored = rotation == 90;
        CHECK(avg::Validate(picture.image) == Status::kOk);
        std::vector<avg::Level> rgb(3 * 24 * 24);
        for (const avg::Affine map : {avg::Affine{1, 0, -4, 0, 1, -4}, avg::Affine{0.3, 0.4, 0, -0.4, 0.3, 5},
                                      avg::Affine{9, 0, -1e6, 0, 9, 1e6}, avg::Affine{0, 0, 0.5, 0, 0, 0.5},
                                      avg::Affine{std::nan(""), 0, 0, 0, 1e300, 0}}) {
          avg::WarpToRgb(picture.image, map, 24, 24, avg::Border::kReplicate, rgb.data());
          avg::WarpToRgb(picture.image, map, 24, 24, avg::Border::kBlack, rgb.data());
        }
      }
    }
  }
}

TEST(ImpossibleImagesAreRefused) {
  Picture picture(PixelFormat::kI420, 8, 8);
  Image bad = picture.image;
  bad.plane[1] = nullptr;
  CHECK(avg::Validate(bad) == Status::kInvalidArgument);
  bad = picture.image;
  bad.stride[0] = 7;
  CHECK(avg::Validate(bad) == Status::kInvalidArgument);
  bad = picture.image;
  bad.rotation_deg = 45;
  CHECK(avg::Validate(bad) == Status::kInvalidArgument);
  bad = picture.image;
  bad.width = avg::kMaxImageSide + 1;
  CHECK(avg::Validate(bad) == Status::kLimit);
  bad.width = 0;
  CHECK(avg::Validate(bad) == Status::kInvalidArgument);
}

TEST(DetectorOutputOfAnyKindIsBounded) {
  std::vector<float> regressors(avg::kAnchors * avg::kRegressorsPerAnchor, std::numeric_limits<float>::quiet_NaN());
  std::vector<float> logits(avg::kAnchors, std::numeric_limits<float>::infinity());
  const auto to_upright = avg::DetectorToUpright(640, 360);
  std::vector<avg::FaceBox> scratch(avg::kAnchors);
  avg::FaceBoxes faces;
  const auto decode = [&] {
    return avg::DecodeFaces(regressors.data(), logits.data(), to_upright, scratch.data(), &faces);
  };
  CHECK(decode() <= faces.size());
  std::fill(logits.begin(), logits.end(), std::numeric_limits<float>::quiet_NaN());
  CHECK(decode() == 0);
}

TEST(CollapsedMeshesGiveFiniteCrops) {
  avg::MeshPoints points{};
  const avg::Similarity fit = avg::FitCanvas(points);
  CHECK(fit.a == fit.a && fit.tx == fit.tx);
  const avg::Pose pose = avg::PoseOf(points);
  for (float value : pose) CHECK(value == value);
}

TEST(TheMeshLooksHalfwayForAStillFaceAndAtOnceForAMovingOne) {
  const avg::MeshRegion before{100, 80, 60, 3.1f};
  const avg::MeshRegion still = avg::Steady(before, {100.02f, 80, 60, 3.1f});
  CHECK(std::abs(still.center_x - 100.01f) < 1e-3f && still.center_y == 80 && still.side == 60);
  const avg::MeshRegion moved = avg::Steady(before, {112, 80, 60, 3.1f});
  CHECK(moved.center_x == 112 && moved.side == 60);
  // The shorter way round.
  const float turn = 6.2831853f;
  const avg::MeshRegion turned = avg::Steady(before, {100, 80, 60, 3.101f - turn});
  CHECK(std::abs(turned.angle_rad - (3.1005f - turn)) < 1e-4f);
  CHECK(avg::Steady({}, before).center_x == 100);
  const avg::MeshRegion collapsed = avg::Steady(before, {5, 6, 0, 0});
  CHECK(collapsed.center_x == 5 && collapsed.side == 0);
}

TEST(GridShowsEachCellOnce) {
  avg::FrameGrid grid;
  std::vector<avg::FrameGrid::Cell> cells;
  const auto take = [&] {
    for (avg::FrameGrid::Cell cell; grid.Take(&cell);) cells.push_back(cell);
  };
  for (const int64_t t : {int64_t{-100'000}, int64_t{0}, int64_t{0}, int64_t{33'000}, int64_t{5'000'000}}) {
    grid.Push(t);
    take();
  }
  grid.Finish();
  take();
  for (size_t i = 1; i < cells.size(); ++i) CHECK(cells[i].index == cells[i - 1].index + 1);
  CHECK(grid.repaired() == 1);
  CHECK(cells.back().frame == 4);
}
