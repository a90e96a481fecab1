// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>

#include "decide/decide.h"
#include "status.h"

namespace avg {

inline constexpr int kFramesPerStep = spec::window::frames / kSteps;
inline constexpr int64_t kStepUs = static_cast<int64_t>(kFramesPerStep) * spec::video::period_us;
inline constexpr size_t kShortestSegmentSteps = 2;
inline constexpr size_t kLongestGapSteps = 2;

// Averages the windows' time steps onto one timeline and cuts the suspicious stretches out of it. Heads without a clip
// logit get an empty curve and no segments. kLimit when the verdict has no room.
Status BuildTimeline(const Selection& windows, const PerHead<std::optional<double>>& clip_logits,
                     const Calibration& calibration, Verdict* verdict);

}  // namespace avg
