// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "video/image.h"

namespace avg {

// A detected face in upright pixels. Keypoints: right eye, left eye, nose tip, mouth, right ear, left ear.
struct FaceBox {
  float left = 0, top = 0, right = 0, bottom = 0;
  float score = 0;
  std::array<std::array<float, 2>, 6> keypoints{};
};

inline constexpr int kAnchors = 896;
inline constexpr int kRegressorsPerAnchor = 16;
inline constexpr size_t kMaxFaceBoxes = 64;  // more faces are not looked at
using FaceBoxes = std::array<FaceBox, kMaxFaceBoxes>;

// Intersection over union of two boxes, 0 when they do not touch.
float Overlap(const FaceBox& a, const FaceBox& b);

// Maps detector input pixels to upright pixels: the picture is letterboxed into the square input.
Affine DetectorToUpright(int32_t upright_width, int32_t upright_height);

// Decodes the short-range BlazeFace output (Bazarevsky et al., 2019): 896 anchors on 16x16 (2 each) and 8x8
// (6 each) cells, score logits, boxes and keypoints in input pixels relative to the anchor; then blends overlapping
// boxes weighted by score. Best first, kMaxFaceBoxes at most. `scratch`: room for kAnchors boxes.
size_t DecodeFaces(const float* regressors, const float* logits, const Affine& to_upright, FaceBox* scratch,
                   FaceBoxes* faces);

}  // namespace avg
