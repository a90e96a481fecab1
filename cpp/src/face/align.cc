// SPDX-License-Identifier: Apache-2.0
#include "face/align.h"

#include <algorithm>
#include <cstdlib>

#include "avg_spec.h"
#include "elementary.h"
#include "levels.h"

namespace avg {
namespace {

using Point = std::array<double, 2>;

Point Middle(const MeshPoints& points, int first, int second) {
  const auto& a = points[static_cast<size_t>(first)];
  const auto& b = points[static_cast<size_t>(second)];
  return {(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0};
}

std::array<Point, 3> Anchors(const MeshPoints& points) {
  const auto& nose = points[mesh::kNoseBase];
  return {Middle(points, mesh::kRightEyeOuter, mesh::kRightEyeInner),
          Middle(points, mesh::kLeftEyeOuter, mesh::kLeftEyeInner), Point{nose[0], nose[1]}};
}

std::array<Point, 3> Template() {
  const double middle = spec::video::canvas_px / 2.0, eye_y = spec::video::canvas_eye_y_px;
  const double unit = spec::video::canvas_eye_distance_px;
  return {Point{middle - unit / 2, eye_y}, Point{middle + unit / 2, eye_y},
          Point{middle, eye_y + spec::video::canvas_nose_drop * unit}};
}

Point Mean(const std::array<Point, 3>& points) {
  Point mean{0, 0};
  for (const Point& point : points) mean[0] += point[0] / 3, mean[1] += point[1] / 3;
  return mean;
}

double EyeDistance(const MeshPoints& points) {
  const auto anchors = Anchors(points);
  return Length(anchors[1][0] - anchors[0][0], anchors[1][1] - anchors[0][1]);
}

}  // namespace

Similarity FitCanvas(const MeshPoints& points) {
  const auto source = Anchors(points), target = Template();
  const Point from = Mean(source), to = Mean(target);
  double dot = 0, cross = 0, spread = 1e-9;
  for (size_t i = 0; i < source.size(); ++i) {
    const double x = source[i][0] - from[0], y = source[i][1] - from[1];
    const double u = target[i][0] - to[0], v = target[i][1] - to[1];
    dot += x * u + y * v;
    cross += x * v - y * u;
    spread += x * x + y * y;
  }
  Similarity fit;
  fit.a = dot / spread;
  fit.b = cross / spread;
  fit.tx = to[0] - fit.a * from[0] + fit.b * from[1];
  fit.ty = to[1] - fit.b * from[0] - fit.a * from[1];
  return fit;
}

Similarity Smooth(const Similarity& previous, const Similarity& current) {
  const double keep = spec::video::anchor_smoothing;
  const auto mix = [&](double old_value, double new_value) { return keep * old_value + (1 - keep) * new_value; };
  return {mix(previous.a, current.a), mix(previous.b, current.b), mix(previous.tx, current.tx),
          mix(previous.ty, current.ty)};
}

Pose PoseOf(const MeshPoints& points) {
  const auto anchors = Anchors(points);
  const double unit = std::max(EyeDistance(points), 1e-3);
  const double angle = Atan2(anchors[1][1] - anchors[0][1], anchors[1][0] - anchors[0][0]);
  const Point center = Mean(anchors);
  return {static_cast<float>(angle), static_cast<float>(Log(unit)), static_cast<float>(center[0] / unit),
          static_cast<float>(center[1] / unit)};
}

MeshPoints ToCanvas(const MeshPoints& upright_points, const Similarity& similarity) {
  const Affine map = similarity.ToAffine();
  MeshPoints points;
  for (size_t i = 0; i < points.size(); ++i) {
    double x, y;
    map.Apply(upright_points[i][0], upright_points[i][1], &x, &y);
    points[i] = {static_cast<float>(x), static_cast<float>(y)};
  }
  return points;
}

FaceQuality MeasureQuality(const MeshPoints& upright_points, const Level* canvas) {
  constexpr int kSide = spec::video::canvas_px;
  FaceQuality quality;
  const double unit = std::max(EyeDistance(upright_points), 1e-3);
  quality.eye_distance_px = static_cast<float>(unit);
  const auto anchors = Anchors(upright_points);
  const auto& nose = upright_points[mesh::kNoseTip];
  const double axis_x = (anchors[1][0] - anchors[0][0]) / unit, axis_y = (anchors[1][1] - anchors[0][1]) / unit;
  const double dx = nose[0] - (anchors[0][0] + anchors[1][0]) / 2, dy = nose[1] - (anchors[0][1] + anchors[1][1]) / 2;
  quality.yaw = static_cast<float>((dx * axis_x + dy * axis_y) / unit);

  constexpr size_t kArea = kSide * kSide;
  std::array<int32_t, kArea> luma;
  int64_t sum = 0, edges = 0;
  for (size_t i = 0; i < kArea; ++i) sum += luma[i] = Luma(canvas[i], canvas[kArea + i], canvas[2 * kArea + i]);
  for (int y = 1; y + 1 < kSide; ++y) {
    for (int x = 1; x + 1 < kSide; ++x) {
      const int32_t* at = luma.data() + y * kSide + x;
      edges += std::abs(4 * at[0] - at[-1] - at[1] - at[-kSide] - at[kSide]);
    }
  }
  quality.brightness = static_cast<float>(sum) / kLumaOne / kArea;
  quality.sharpness = static_cast<float>(edges) / kLumaOne / ((kSide - 2) * (kSide - 2));
  return quality;
}

}  // namespace avg
