// SPDX-License-Identifier: Apache-2.0
#include "face/detector.h"

#include <algorithm>

#include "avg_spec.h"
#include "elementary.h"

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
class Blend {
 public:
  explicit Blend(float best_score) { mean_.score = best_score; }

  void Add(const FaceBox& box) {
    total_ += box.score;
    mean_.left += box.score * box.left;
    mean_.top += box.score * box.top;
    mean_.right += box.score * box.right;
    mean_.bottom += box.score * box.bottom;
    for (size_t i = 0; i < box.keypoints.size(); ++i) {
      mean_.keypoints[i][0] += box.score * box.keypoints[i][0];
      mean_.keypoints[i][1] += box.score * box.keypoints[i][1];
    }
  }

  FaceBox Mean() const {
    FaceBox mean = mean_;
    mean.left /= total_;
    mean.top /= total_;
    mean.right /= total_;
    mean.bottom /= total_;
    for (auto& point : mean.keypoints) {
      point[0] /= total_;
      point[1] /= total_;
    }
    return mean;
  }

 private:
  FaceBox mean_;
  float total_ = 0;
};

// Keeps boxes best first; of equals the earlier one goes first. Most are few, so this beats cleverer sorts.
void Insert(const FaceBox& box, FaceBox* boxes, size_t count) {
  size_t at = count;
  for (; at > 0 && boxes[at - 1].score < box.score; --at) boxes[at] = boxes[at - 1];
  boxes[at] = box;
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

size_t DecodeFaces(const float* regressors, const float* logits, const Affine& to_upright, FaceBox* scratch,
                   FaceBoxes* faces) {
  static const std::array<Anchor, kAnchors> anchors = MakeAnchors();
  size_t left = 0, found = 0;
  for (size_t i = 0; i < kAnchors; ++i) {
    const float logit = std::clamp(logits[i], -kLogitLimit, kLogitLimit);
    const float score = static_cast<float>(1 / (1 + Exp(-logit)));
    if (!(score >= spec::face::detector_threshold)) continue;
    Insert(Decode(regressors + i * kRegressorsPerAnchor, anchors[i], score, to_upright), scratch, left++);
  }
  while (left > 0 && found < faces->size()) {
    const FaceBox best = scratch[0];
    Blend cluster(best.score);
    size_t kept = 0;
    for (size_t i = 0; i < left; ++i) {
      if (i == 0 || Overlap(scratch[i], best) > spec::face::detector_overlap) {
        cluster.Add(scratch[i]);
      } else {
        scratch[kept++] = scratch[i];
      }
    }
    left = kept;
    (*faces)[found++] = cluster.Mean();
  }
  return found;
}

}  // namespace avg
