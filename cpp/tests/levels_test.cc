// SPDX-License-Identifier: Apache-2.0
#include "levels.h"

#include "check.h"

using avg::Level;

TEST(FloatsHaveTheBitsOfTheFormula) {
  std::vector<Level> levels(avg::kMostLevel + 1);
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = static_cast<Level>(i);
  std::vector<float> floats(levels.size());
  avg::ToFloats(levels.data(), levels.size(), 1 / 127.5f, -1.0f, floats.data());
  for (size_t i = 0; i < levels.size(); ++i) {
    const float level = static_cast<float>(i) / 256;
    CHECK(floats[i] == level * (1 / 127.5f) - 1.0f);
  }
}

TEST(PicturesLieAsTheyAreAskedTo) {
  constexpr size_t kPixels = 150;  // not a multiple of what is done at once
  std::vector<Level> planes(3 * kPixels);
  for (size_t i = 0; i < planes.size(); ++i) planes[i] = static_cast<Level>(i * 151);
  std::vector<float> flat(planes.size()), mixed(planes.size());
  avg::PictureToFloats(planes.data(), kPixels, 1 / 255.0f, 0.25f, {}, flat.data());
  avg::PictureToFloats(planes.data(), kPixels, 1 / 255.0f, 0.25f, {true, 3, kPixels}, mixed.data());
  for (size_t i = 0; i < kPixels; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      const float level = static_cast<float>(planes[c * kPixels + i]) / 256;
      CHECK(flat[c * kPixels + i] == level * (1 / 255.0f) + 0.25f);
      CHECK(mixed[3 * i + c] == flat[c * kPixels + i]);
    }
  }
}

TEST(BytesAreTheNearestLevels) {
  constexpr size_t kPixels = avg::kMostLevel + 1;
  std::vector<Level> planes(3 * kPixels);
  for (size_t i = 0; i < kPixels; ++i) {
    planes[i] = static_cast<Level>(i);
    planes[kPixels + i] = static_cast<Level>(avg::kMostLevel - i);
    planes[2 * kPixels + i] = 77 * avg::kLevelOne;
  }
  std::vector<uint8_t> rgb(planes.size());
  avg::ToBytes(planes.data(), kPixels, rgb.data());
  for (size_t i = 0; i < kPixels; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      CHECK(std::abs(rgb[3 * i + c] * avg::kLevelOne - planes[c * kPixels + i]) <= avg::kLevelOne / 2);
    }
  }
}

TEST(BytesSurviveBecomingLevels) {
  std::vector<uint8_t> rgb(3 * 256), back(rgb.size());
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i * 7 + i / 256);
  std::vector<Level> planes(rgb.size());
  avg::FromBytes(rgb.data(), 256, planes.data());
  CHECK(planes[256 + 5] == rgb[3 * 5 + 1] * avg::kLevelOne);
  avg::ToBytes(planes.data(), 256, back.data());
  CHECK(back == rgb);
}

TEST(LumaOfGreyIsTheGrey) {
  for (int32_t level = 0; level <= avg::kMostLevel; level += 17) {
    const auto grey = static_cast<Level>(level);
    CHECK(avg::Luma(grey, grey, grey) == 256 * level);
  }
  CHECK(avg::Luma(avg::kMostLevel, avg::kMostLevel, avg::kMostLevel) == 255 * avg::kLumaOne);
}
