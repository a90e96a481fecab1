// SPDX-License-Identifier: Apache-2.0
#include "face/detector.h"

#include <algorithm>
#include <cmath>

#include "avg_spec.h"

namespace avg {
namespace {

constexpr float kLogitLimit = 100.0f;

struct Anchor {
  float x, y;
};

std::array<Anchor, kAnchors> MakeAnchors() {
  std::array<Anchor, kAnchors> anchors{};
  size_t next = 0;
  const auto grid = [&](int cells, int per_cell) {
    for (int y = 0; y < cells; ++y) {
      for (int x = 0; x < cells; ++x) {
        for (int i = 0; i < per_cell; ++i) anchors[next++] = {(x + 0.5f) / cells, (y + 0.5f) / cells};
      }
    }
  };
  grid(16, 2);
  grid(8, 6);
  return anchors;
}

void MapPoint(const Affine& map, float x, float y, float* out_x, float* out_y) {
  double mapped_x, mapped_y;
  map.Apply(x, y, &mapped_x, &mapped_y);
  *out_x = static_cast<float>(mapped_x);
  *out_y = static_cast<float>(mapped_y);
}

FaceBox Decode(const float* raw, const Anchor& anchor, float score, const Affine& to_upright) {
  const float px = spec::face::detector_px;
  const float x = raw[0] + anchor.x * px, y = raw[1] + anchor.y * px;
  FaceBox box;
  box.score = score;
  MapPoint(to_upright, x - raw[2] / 2, y - raw[3] / 2, &box.left, &box.top);
  MapPoint(to_upright, x + raw[2] / 2, y + raw[3] / 2, &box.right, &box.bottom);
  for (size_t i = 0; i < box.keypoints.size(); ++i) {
    MapPoint(to_upright, raw[4 + 2 * i] + anchor.x * px, raw[5 + 2 * i] + anchor.y * px, &box.keypoints[i][0],
             &box.keypoints[i][1]);
  }
  return box;
}

// Score-weighted mean of a cluster, with the best member's score.
FaceBox Blend(const std::vector<FaceBox>& cluster) {
  FaceBox mean;
  float total = 0;
  for (const FaceBox& box : cluster) {
    total += box.score;
    mean.left += box.score * box.left;
    mean.top += box.score * box.top;
    mean.right += box.score * box.right;
    mean.bottom += box.score * box.bottom;
    for (size_t i = 0; i < box.keypoints.size(); ++i) {
      mean.keypoints[i][0] += box.score * box.keypoints[i][0];
      mean.keypoints[i][1] += box.score * box.keypoints[i][1];
    }
  }
  mean.left /= total;
  mean.top /= total;
  mean.right /= total;
  mean.bottom /= total;
  for (auto& point : mean.keypoints) {
    point[0] /= total;
    point[1] /= total;
  }
  mean.score = cluster.front().score;
  return mean;
}

}  // namespace

float Overlap(const FaceBox& a, const FaceBox& b) {
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const float common = width * height;
  const float area_a = (a.right - a.left) * (a.bottom - a.top);
  const float area_b = (b.right - b.left) * (b.bottom - b.top);
  return common / (area_a + area_b - common);
}

Affine DetectorToUpright(int32_t upright_width, int32_t upright_height) {
  const double side = std::max(upright_width, upright_height);
  const double scale = side / spec::face::detector_px;
  return {scale, 0, (upright_width - side) / 2, 0, scale, (upright_height - side) / 2};
}

std::vector<FaceBox> DecodeFaces(const float* regressors, const float* logits, const Affine& to_upright) {
  static const std::array<Anchor, kAnchors> anchors = MakeAnchors();
  std::vector<FaceBox> boxes;
  for (size_t i = 0; i < kAnchors; ++i) {
    const float logit = std::clamp(logits[i], -kLogitLimit, kLogitLimit);
    const float score = 1.0f / (1.0f + std::exp(-logit));
    if (!(score >= spec::face::detector_threshold)) continue;
    boxes.push_back(Decode(regressors + i * kRegressorsPerAnchor, anchors[i], score, to_upright));
  }
  std::stable_sort(boxes.begin(), boxes.end(), [](const FaceBox& a, const FaceBox& b) { return a.score > b.score; });
  std::vector<FaceBox> faces;
  while (!boxes.empty()) {
    std::vector<FaceBox> cluster, rest;
    for (const FaceBox& box : boxes) {
      const bool same = cluster.empty() || Overlap(box, boxes.front()) > spec::face::detector_overlap;
      (same ? cluster : rest).push_back(box);
    }
    faces.push_back(Blend(cluster));
    boxes.swap(rest);
  }
  return faces;
}

}  // namespace avg
