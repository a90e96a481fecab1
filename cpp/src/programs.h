// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "avg_spec.h"
#include "engine/engine.h"
#include "face/detector.h"
#include "face/mesh.h"

namespace avg {

// What each program of a bundle takes and answers; the names are those of the exported files.
namespace programs {

inline constexpr int32_t kFaces = spec::window::frames / spec::video::face_every;
inline constexpr int32_t kFrames = spec::window::frames;
inline constexpr int32_t kRows = kFrames * spec::audio::frames_per_video_frame;
inline constexpr int32_t kHeadCount = static_cast<int32_t>(spec::heads.size());

inline constexpr TensorShape kDetectorIn[] = {{"image", 4, {1, 3, spec::face::detector_px, spec::face::detector_px}}};
inline constexpr TensorShape kDetectorOut[] = {{"regressors", 3, {1, kAnchors, kRegressorsPerAnchor}},
                                               {"scores", 2, {1, kAnchors}}};
inline constexpr TensorShape kMeshIn[] = {{"image", 4, {1, 3, spec::face::mesh_px, spec::face::mesh_px}}};
inline constexpr TensorShape kMeshOut[] = {{"landmarks", 3, {1, kMeshPoints, 3}}, {"flag", 2, {1, 1}}};
inline constexpr TensorShape kJointIn[] = {{"face", 5, {1, kFaces, 4, spec::video::canvas_px, spec::video::canvas_px}},
                                           {"mouth", 5, {1, kFrames, 1, spec::video::mouth_px, spec::video::mouth_px}},
                                           {"motion", 4, {1, spec::motion::dims, 1, kFrames}},
                                           {"mel", 4, {1, 1, spec::audio::mel_bands, kRows}},
                                           {"linear", 4, {1, 1, spec::audio::linear_bands, kRows}}};
inline constexpr TensorShape kJointOut[] = {{"logits_window", 2, {1, kHeadCount}},
                                            {"logits_steps", 3, {1, kHeadCount, spec::window::steps}},
                                            {"embed_video", 4, {1, spec::embedding_dims, 1, kFrames}},
                                            {"embed_audio", 4, {1, spec::embedding_dims, 1, kFrames}}};

inline constexpr Interface kDetector = {kDetectorIn, 1, kDetectorOut, 2};
inline constexpr Interface kMesh = {kMeshIn, 1, kMeshOut, 2};
inline constexpr Interface kJoint = {kJointIn, 5, kJointOut, 4};

}  // namespace programs
}  // namespace avg
