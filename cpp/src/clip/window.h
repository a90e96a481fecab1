// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "layout.h"
#include "levels.h"

namespace avg {

// Model inputs of one window, from 48 consecutive canvases. All outputs are dense row-major float32, `face` in
// `layout`.
//
// canvases: (48, 3, canvas, canvas) RGB levels, given as 48 pointers
// face:     (12, 4, canvas, canvas): every 4th canvas as scaled RGB, and the luma change to its successor
// mouth:    (48, 1, mouth, mouth): scaled luma of the mouth square
void PackPixels(const Level* const* canvases, const PictureLayout& layout, float* face, float* mouth);

// canvas_points: 48 pointers to (468, 2) mesh points in canvas pixels; poses: 48 pointers to (4,) head poses.
// motion: (48 dims, 1, 48): lip points, eye and brow openings and pose, each minus its mean over the window, scaled.
void PackMotion(const float* const* canvas_points, const float* const* poses, float* motion);

}  // namespace avg
