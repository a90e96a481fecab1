// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "audio/logmel.h"

namespace avg {

// Log-mel frames in one window of the model.
inline constexpr int kAudioWindowFrames = spec::window::frames * spec::audio::frames_per_video_frame;

// The model's audio inputs from the rows of one window. `rows`: kAudioWindowFrames pointers to
// LogMel::kRow floats each, null where there is no sound. Writes `mel` [64][192] and `linear`
// [128][192], bands outermost: each band less its mean over the frames that are there, times
// spec::audio::scale; 0 where a frame is missing. With fewer than spec::window::minimum_frames rows
// writes zeros and returns false: the modality is missing.
bool NormaliseAudioWindow(const float* const* rows, float* mel, float* linear);

}  // namespace avg
