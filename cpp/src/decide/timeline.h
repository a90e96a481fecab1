// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "decide/decide.h"

namespace avg {

// Averages the windows' time steps onto one timeline and cuts the suspicious stretches out of it. Heads without a clip
// logit get an empty curve and no segments.
void BuildTimeline(const std::vector<const WindowScore*>& windows, const PerHead<std::optional<double>>& clip_logits,
                   const Calibration& calibration, int64_t first_index, int64_t end_index, Verdict* verdict);

}  // namespace avg
