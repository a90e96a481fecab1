// SPDX-License-Identifier: Apache-2.0
#include "clip/window.h"

#include <array>

#include "avg_spec.h"
#include "check.h"
#include "engine/engine.h"
#include "programs.h"

namespace {

using avg::Level;

constexpr size_t kArea = static_cast<size_t>(avg::spec::video::canvas_px) * avg::spec::video::canvas_px;
constexpr size_t kFrames = avg::spec::window::frames;
constexpr size_t kFaces = avg::programs::kFaces;

// A network of one input that takes what it is given.
class Taker final : public avg::Network {
 public:
  Taker(size_t size, avg::PictureLayout layout) : values(size), layout_(layout) {}
  size_t inputs() const override { return 1; }
  size_t outputs() const override { return 0; }
  size_t input_size(size_t) const override { return values.size(); }
  size_t output_size(size_t) const override { return 0; }
  avg::PictureLayout layout(size_t) const override { return layout_; }
  float* input(size_t) override { return values.data(); }
  const float* output(size_t) const override { return nullptr; }
  avg::Status Run() override { return avg::Status::kOk; }

  std::vector<float> values;

 private:
  avg::PictureLayout layout_;
};

}  // namespace

// What a session writes interleaved is what SetInput makes of the planes.
TEST(FacesArePackedInEitherLayout) {
  std::vector<Level> levels(kFrames * 3 * kArea);
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = static_cast<Level>(i * 2654435761u >> 16);
  std::array<const Level*, kFrames> canvases;
  for (size_t i = 0; i < kFrames; ++i) canvases[i] = levels.data() + i * 3 * kArea;
  std::vector<float> planes(kFaces * 4 * kArea), mixed(planes.size());
  std::vector<float> mouth(kFrames * avg::spec::video::mouth_px * avg::spec::video::mouth_px), same(mouth.size());
  const avg::PictureLayout interleaved = {true, 4, kArea};
  avg::PackPixels(canvases.data(), {}, planes.data(), mouth.data());
  avg::PackPixels(canvases.data(), interleaved, mixed.data(), same.data());
  CHECK(mouth == same);
  Taker flat(planes.size(), {}), taker(planes.size(), interleaved);
  avg::SetInput(&flat, 0, planes.data());
  avg::SetInput(&taker, 0, planes.data());
  CHECK(flat.values == planes);
  CHECK(taker.values == mixed);
  CHECK(mixed != planes);
}

// Of the right number of values, but other pictures.
TEST(ANetworkOfOtherPicturesDoesNotFit) {
  const avg::Interface interface = {avg::programs::kMeshIn, 1, nullptr, 0};
  const size_t size = avg::programs::kMeshIn[0].size();
  CHECK(avg::Fits(Taker(size, {}), interface));
  CHECK(avg::Fits(Taker(size, {true, 3, size / 3}), interface));
  CHECK(!avg::Fits(Taker(size, {true, 6, size / 6}), interface));
  CHECK(!avg::Fits(Taker(size - 1, {}), interface));
}
