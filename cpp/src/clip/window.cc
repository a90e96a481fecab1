// SPDX-License-Identifier: Apache-2.0
#include "clip/window.h"

#include <cstddef>

#include "avg_spec.h"
#include "levels.h"

namespace avg {
namespace {

constexpr int kFrames = spec::window::frames;
constexpr int kSide = spec::video::canvas_px;
constexpr int kArea = kSide * kSide;

float Scaled(float level) {
  return (level - static_cast<float>(spec::video::pixel_mean)) * static_cast<float>(spec::video::pixel_scale);
}

int32_t LumaOf(const Level* canvas, int i) { return Luma(canvas[i], canvas[kArea + i], canvas[2 * kArea + i]); }

constexpr float kChangeUnit = static_cast<float>(spec::video::difference_scale) / kLumaOne;

float Colour(Level level) { return Scaled(static_cast<float>(level) / kLevelOne); }

float Change(const Level* canvas, const Level* next, int i) {
  return static_cast<float>(LumaOf(next, i) - LumaOf(canvas, i)) * kChangeUnit;
}

// Pixels [begin, begin + count) of the four planes, each at `out + channel * step`.
void PackColumns(const Level* canvas, const Level* next, int begin, int count, int step, float* out) {
  for (int channel = 0; channel < 3; ++channel) {
    const Level* plane = canvas + channel * kArea + begin;
    for (int i = 0; i < count; ++i) out[channel * step + i] = Colour(plane[i]);
  }
  for (int i = 0; i < count; ++i) out[3 * step + i] = Change(canvas, next, begin + i);
}

void PackFace(const Level* canvas, const Level* next, const PictureLayout& layout, float* out) {
  if (!layout.interleaved) return PackColumns(canvas, next, 0, kArea, kArea, out);
  // A row at a time: mixed with the conversion, compilers do not vectorise the interleaving.
  float row[4][kSide];
  for (int begin = 0; begin < kArea; begin += kSide) {
    PackColumns(canvas, next, begin, kSide, kSide, row[0]);
    for (int i = 0; i < kSide; ++i) {
      out[4 * i] = row[0][i];
      out[4 * i + 1] = row[1][i];
      out[4 * i + 2] = row[2][i];
      out[4 * i + 3] = row[3][i];
    }
    out += 4 * kSide;
  }
}

void PackMouth(const Level* canvas, float* out) {
  constexpr int kMouth = spec::video::mouth_px;
  for (int y = 0; y < kMouth; ++y) {
    const int row = (y + spec::video::mouth_top_px) * kSide + spec::video::mouth_left_px;
    for (int x = 0; x < kMouth; ++x) *out++ = Scaled(static_cast<float>(LumaOf(canvas, row + x)) / kLumaOne);
  }
}

// One frame's 48 raw values: 20 lip points x, y; two eye openings; two brow heights; four pose values.
void RawMotion(const float* points, const float* pose, float* out) {
  constexpr float kUnit = static_cast<float>(1.0 / spec::video::canvas_eye_distance_px);
  constexpr float kMiddle = spec::video::canvas_px / 2.0f;
  constexpr float kEyeLine = static_cast<float>(spec::video::canvas_eye_y_px);
  const auto x = [&](int point) { return points[2 * point]; };
  const auto y = [&](int point) { return points[2 * point + 1]; };
  for (int point : spec::motion::lip_points) {
    *out++ = (x(point) - kMiddle) * kUnit;
    *out++ = (y(point) - kEyeLine) * kUnit;
  }
  for (const auto& pair : {spec::motion::right_eye_lids, spec::motion::left_eye_lids}) {
    *out++ = (y(pair[1]) - y(pair[0])) * kUnit;
  }
  for (int brow : spec::motion::brow_points) *out++ = (y(brow) - kEyeLine) * kUnit;
  for (int i = 0; i < 4; ++i) *out++ = pose[i] * static_cast<float>(spec::motion::pose_scale);
}

}  // namespace

void PackPixels(const Level* const* canvases, const PictureLayout& layout, float* face, float* mouth) {
  constexpr int kMouthArea = spec::video::mouth_px * spec::video::mouth_px;
  for (int frame = 0; frame < kFrames; ++frame) {
    if (frame % spec::video::face_every == 0) {
      PackFace(canvases[frame], canvases[frame + 1], layout, face);
      face += 4 * kArea;
    }
    PackMouth(canvases[frame], mouth + static_cast<ptrdiff_t>(frame) * kMouthArea);
  }
}

void PackMotion(const float* const* canvas_points, const float* const* poses, float* motion) {
  constexpr int kDims = spec::motion::dims;
  static_assert(kDims == 2 * static_cast<int>(spec::motion::lip_points.size()) + 8, "motion layout");
  float raw[kFrames][kDims];
  for (int frame = 0; frame < kFrames; ++frame) RawMotion(canvas_points[frame], poses[frame], raw[frame]);
  const float scale = static_cast<float>(1.0 / spec::motion::scale);
  for (int dim = 0; dim < kDims; ++dim) {
    float mean = 0;
    for (int frame = 0; frame < kFrames; ++frame) mean += raw[frame][dim];
    mean /= kFrames;
    for (int frame = 0; frame < kFrames; ++frame) *motion++ = (raw[frame][dim] - mean) * scale;
  }
}

}  // namespace avg
