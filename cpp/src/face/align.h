// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "face/mesh.h"
#include "levels.h"
#include "video/image.h"

namespace avg {

// Upright pixels to canvas pixels: x' = a x - b y + tx, y' = b x + a y + ty.
struct Similarity {
  double a = 1, b = 0, tx = 0, ty = 0;

  Affine ToAffine() const { return {a, -b, tx, b, a, ty}; }
};

// Head pose of one frame: in-plane angle [rad], log eye distance [log px], face centre [eye distances].
using Pose = std::array<float, 4>;

// Least-squares similarity (Umeyama, 1991) that puts the eye centres and the nose base of `points` on the canvas
// template. The mouth takes no part, so that its motion stays visible on the canvas.
Similarity FitCanvas(const MeshPoints& points);
// Exponential smoothing over time: takes the jitter of single frames out of the crop.
Similarity Smooth(const Similarity& previous, const Similarity& current);
Pose PoseOf(const MeshPoints& upright_points);
MeshPoints ToCanvas(const MeshPoints& upright_points, const Similarity& similarity);

// What a face looked like in one frame.
struct FaceQuality {
  float eye_distance_px = 0;  // in the source picture
  float yaw = 0;              // nose offset from the eyes' middle, in eye distances; 0 is frontal
  float sharpness = 0;        // mean absolute Laplacian of the canvas luma, in levels
  float brightness = 0;       // mean canvas luma, in levels
};
FaceQuality MeasureQuality(const MeshPoints& upright_points, const Level* canvas);

}  // namespace avg
