// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "face/detector.h"
#include "video/image.h"

namespace avg {

inline constexpr int kMeshPoints = 468;

// MediaPipe's canonical face mesh (Kartynnik et al., 2019), x and y in some pixel frame.
using MeshPoints = std::array<std::array<float, 2>, kMeshPoints>;

// Mesh points used by name, in MediaPipe's numbering ("right" is the person's right, left in the picture).
namespace mesh {
inline constexpr int kNoseTip = 1, kNoseBase = 2, kNoseBridge = 168, kChin = 152;
inline constexpr int kRightEyeOuter = 33, kRightEyeInner = 133, kRightEyeTop = 159, kRightEyeBottom = 145;
inline constexpr int kLeftEyeOuter = 263, kLeftEyeInner = 362, kLeftEyeTop = 386, kLeftEyeBottom = 374;
inline constexpr int kRightBrow = 105, kLeftBrow = 334;
inline constexpr int kUpperInnerLip = 13, kLowerInnerLip = 14;
}  // namespace mesh

// A rotated square of the upright picture that the mesh network looks at.
struct MeshRegion {
  float center_x = 0, center_y = 0, side = 0, angle_rad = 0;
};

MeshRegion RegionFromBox(const FaceBox& box);
MeshRegion RegionFromPoints(const MeshPoints& points);
// Between where the mesh looked `before` and where its points say it should look `now`: halfway for a face that keeps
// still, ever less far behind one that moves. Alone, a region that follows the points swings around a small or dim
// face, for the points follow the region too: in one clip a nudge of 1e-4 px grew to 0.4 px.
MeshRegion Steady(const MeshRegion& before, const MeshRegion& now);
// Maps mesh input pixels to upright pixels.
Affine RegionToUpright(const MeshRegion& region);
// Axis-aligned bounds of the points, as a box with score 1.
FaceBox BoundsOf(const MeshPoints& points);
// Applies `map` to every point of the network's raw (468, 3) output.
MeshPoints MapMesh(const float* raw, const Affine& map);

}  // namespace avg
