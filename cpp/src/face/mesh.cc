// SPDX-License-Identifier: Apache-2.0
#include "face/mesh.h"

#include <algorithm>
#include <cmath>

#include "avg_spec.h"
#include "elementary.h"

namespace avg {
namespace {

constexpr float kPi = 3.14159265f;

// Of the line from one point to another.
float Angle(const std::array<float, 2>& from, const std::array<float, 2>& to) {
  return static_cast<float>(Atan2(to[1] - from[1], to[0] - from[0]));
}

}  // namespace

MeshRegion RegionFromBox(const FaceBox& box) {
  const auto& right_eye = box.keypoints[0];
  const auto& left_eye = box.keypoints[1];
  const float side = std::max(box.right - box.left, box.bottom - box.top);
  return {(box.left + box.right) / 2, (box.top + box.bottom) / 2, side * static_cast<float>(spec::face::mesh_margin),
          Angle(right_eye, left_eye)};
}

MeshRegion RegionFromPoints(const MeshPoints& points) {
  const auto& right = points[mesh::kRightEyeOuter];
  const auto& left = points[mesh::kLeftEyeOuter];
  const float angle = Angle(right, left);
  const auto cosine = static_cast<float>(Cos(angle)), sine = static_cast<float>(Sin(angle));
  float low_u = 1e30f, high_u = -1e30f, low_v = 1e30f, high_v = -1e30f;
  for (const auto& point : points) {
    const float u = cosine * point[0] + sine * point[1];
    const float v = -sine * point[0] + cosine * point[1];
    low_u = std::min(low_u, u), high_u = std::max(high_u, u);
    low_v = std::min(low_v, v), high_v = std::max(high_v, v);
  }
  const float u = (low_u + high_u) / 2, v = (low_v + high_v) / 2;
  const float side = std::max(high_u - low_u, high_v - low_v);
  return {cosine * u - sine * v, sine * u + cosine * v, side * static_cast<float>(spec::face::mesh_margin), angle};
}

MeshRegion Steady(const MeshRegion& before, const MeshRegion& now) {
  constexpr float kStill = 0.5f, kMoving = 0.2f;  // `kMoving`: in sides, from where on nothing is kept of `before`
  const float x = before.center_x - now.center_x, y = before.center_y - now.center_y, side = before.side - now.side;
  const float angle = std::remainder(before.angle_rad - now.angle_rad, 2 * kPi);
  const float moved = static_cast<float>(Length(x, y)) + std::abs(side) + now.side / 2 * std::abs(angle);
  const float keep = kStill * std::max(0.0f, 1 - moved / (kMoving * now.side));
  return {now.center_x + keep * x, now.center_y + keep * y, now.side + keep * side, now.angle_rad + keep * angle};
}

Affine RegionToUpright(const MeshRegion& region) {
  const double scale = region.side / spec::face::mesh_px;
  const double cosine = scale * Cos(region.angle_rad), sine = scale * Sin(region.angle_rad);
  const double half = spec::face::mesh_px / 2.0;
  return {cosine, -sine,  region.center_x - cosine * half + sine * half,
          sine,   cosine, region.center_y - sine * half - cosine * half};
}

FaceBox BoundsOf(const MeshPoints& points) {
  FaceBox box;
  box.left = box.right = points[0][0];
  box.top = box.bottom = points[0][1];
  for (const auto& point : points) {
    box.left = std::min(box.left, point[0]), box.right = std::max(box.right, point[0]);
    box.top = std::min(box.top, point[1]), box.bottom = std::max(box.bottom, point[1]);
  }
  box.score = 1;
  return box;
}

MeshPoints MapMesh(const float* raw, const Affine& map) {
  MeshPoints points;
  for (size_t i = 0; i < kMeshPoints; ++i) {
    double x, y;
    map.Apply(raw[3 * i], raw[3 * i + 1], &x, &y);
    points[i] = {static_cast<float>(x), static_cast<float>(y)};
  }
  return points;
}

}  // namespace avg
