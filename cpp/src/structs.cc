// SPDX-License-Identifier: Apache-2.0
#include "structs.h"

#include "decide/timeline.h"

namespace avg {

static_assert(static_cast<int>(PixelFormat::kNv21) == AVG_NV21 && static_cast<int>(PixelFormat::kRgb24) == AVG_RGB);
static_assert(static_cast<int>(PixelFormat::kGray8) == AVG_GRAY8 &&
              static_cast<int>(ColorMatrix::kBt2020) == AVG_BT2020);

avg_status ReadFrame(const avg_frame* given, Image* image, int64_t* t_us, Release* release) {
  if (given == nullptr) return AVG_INVALID_ARGUMENT;
  avg_frame frame{};
  const avg_status status = ReadStruct(given, &frame, offsetof(avg_frame, release));
  if (status != AVG_OK) return status;
  if (frame.format < AVG_I420 || frame.format > AVG_GRAY8) return AVG_INVALID_ARGUMENT;
  if (frame.matrix < AVG_BT601 || frame.matrix > AVG_BT2020) return AVG_INVALID_ARGUMENT;
  image->format = static_cast<PixelFormat>(frame.format);
  image->matrix = static_cast<ColorMatrix>(frame.matrix);
  image->full_range = frame.full_range != 0;
  image->mirrored = frame.mirrored != 0;
  image->rotation_deg = frame.rotation_deg;
  image->width = frame.width;
  image->height = frame.height;
  std::copy(std::begin(frame.plane), std::end(frame.plane), image->plane);
  std::copy(std::begin(frame.stride), std::end(frame.stride), image->stride);
  *t_us = frame.t_us;
  *release = {frame.release, frame.owner};
  return AVG_OK;
}

avg_status ReadAudio(const avg_audio* given, Pcm* pcm, int64_t* t_us) {
  if (given == nullptr) return AVG_INVALID_ARGUMENT;
  avg_audio audio{};
  const avg_status status = ReadStruct(given, &audio);
  if (status != AVG_OK) return status;
  if (audio.format != AVG_F32 && audio.format != AVG_S16) return AVG_INVALID_ARGUMENT;
  if (audio.channels < 1 || audio.channels > AVG_MAX_CHANNELS) return AVG_INVALID_ARGUMENT;
  const size_t sample = audio.format == AVG_S16 ? sizeof(int16_t) : sizeof(float);
  if (audio.count > SIZE_MAX / 2 / sample / static_cast<size_t>(audio.channels)) return AVG_INVALID_ARGUMENT;
  if (reinterpret_cast<uintptr_t>(audio.samples) % sample != 0) return AVG_INVALID_ARGUMENT;
  *pcm = {audio.samples, audio.count, audio.rate_hz, audio.channels, audio.format == AVG_S16};
  *t_us = audio.t_us;
  return AVG_OK;
}

avg_verdict VerdictOf(const Verdict& verdict, const ModelCard& card) {
  avg_verdict c{};
  c.label = static_cast<int32_t>(verdict.label);
  c.reasons = verdict.reasons;
  c.overall = OrNan(verdict.overall);
  for (size_t head = 0; head < kHeads; ++head) {
    const HeadVerdict& said = verdict.heads[head];
    c.heads[head] = {OrNan(said.score), static_cast<int32_t>(said.label), said.reasons};
    c.timeline[head] = verdict.timeline[head].data();
    c.timeline_steps[head] = verdict.timeline[head].size();
  }
  c.offset_ms = OrNan(verdict.offset_ms);
  c.offset_contrast = verdict.offset_contrast;
  const Quality& quality = verdict.quality;
  c.duration_s = quality.duration_s;
  c.face_s = quality.face_s;
  c.speech_s = quality.speech_s;
  c.face_px = OrNan(quality.face_px);
  c.yaw = OrNan(quality.yaw);
  c.sharpness = OrNan(quality.sharpness);
  c.brightness = OrNan(quality.brightness);
  c.bandwidth_hz = OrNan(quality.bandwidth_hz);
  c.loudness_dbfs = OrNan(quality.loudness_dbfs);
  c.segments = verdict.segments.data();
  c.segment_count = verdict.segments.size();
  c.tracks = verdict.tracks.data();
  c.track_count = verdict.tracks.size();
  c.timeline_start_us = verdict.timeline_start_us;
  c.timeline_step_us = kStepUs;
  c.warnings = verdict.warnings.data();
  c.warning_count = verdict.warnings.count();
  c.model_id = card.id.c_str();
  c.model_licence = card.licence.c_str();
  c.engine = card.engine.c_str();
  c.spec_hash = spec::hash;
  return c;
}

}  // namespace avg
