// SPDX-License-Identifier: Apache-2.0
// The session's second half: when a window is complete, what goes into the joint model, and what comes out.
#include <algorithm>
#include <cmath>

#include "audio/window_audio.h"
#include "clip/window.h"
#include "elementary.h"
#include "floor_div.h"
#include "programs.h"
#include "session.h"

namespace avg {
namespace {

constexpr int64_t kFrames = spec::window::frames;
constexpr int64_t kStride = spec::window::stride_frames;
constexpr int64_t kPeriodUs = spec::video::period_us;
constexpr int64_t kPerFrame = spec::audio::frames_per_video_frame;
constexpr int64_t kMelOffset = spec::audio::frame_offset;
constexpr int64_t kWindowMel = kFrames * kPerFrame;
// A window is judged when at least half of it shows the face, or a quarter of a second of it is speech.
constexpr int64_t kLeastFaceFrames = kFrames / 2;
constexpr int64_t kLeastSpeechFrames = 25;
// Frames left over after the last regular window that are worth one more.
constexpr int64_t kLeastTail = 6;

// In the order of programs::kJointIn and kJointOut.
enum Input : size_t { kFaceInput, kMouthInput, kMotionInput, kMelInput, kLinearInput };
enum Output : size_t { kWindowLogits, kStepLogits, kLipEmbedding, kVoiceEmbedding };

std::array<float, 2> Lips(const FaceFrame& face) {
  const auto& points = face.canvas_points;
  const auto gap = [&](int a, int b) {
    const auto& p = points[static_cast<size_t>(a)];
    const auto& q = points[static_cast<size_t>(b)];
    return static_cast<float>(Length(p[0] - q[0], p[1] - q[1]));
  };
  return {gap(mesh::kUpperInnerLip, mesh::kLowerInnerLip),
          gap(spec::motion::lip_points[0], spec::motion::lip_points[6])};
}

}  // namespace

int64_t Session::VideoEnd() const { return waiting_cells_.empty() ? grid_.next_index() : waiting_cells_.front(); }

int64_t Session::AudioEnd() const { return FloorDiv(sound_.end() - kMelOffset, kPerFrame); }

bool Session::RangeKnown() const {
  const bool video = grid_.started(), audio = sound_.started();
  if (finished_) return video || audio;
  if ((video || !options_.expect_video) && (audio || !options_.expect_audio)) return video || audio;
  // One stream is far ahead and the other has not begun: it will be taken as missing until it does.
  if (video) return VideoEnd() - grid_.first_index() > kFrames + spec::window::stream_lag_frames;
  return audio && sound_.end() - sound_.begin() > kPerFrame * (kFrames + spec::window::stream_lag_frames);
}

bool Session::Reached(int64_t end) const {
  const int64_t patience = end + spec::window::stream_lag_frames;
  const int64_t video = grid_.started() ? VideoEnd() : first_index_,
                audio = sound_.started() ? AudioEnd() : first_index_;
  if (finished_) return std::max(video, audio) >= end;
  const bool video_there = !options_.expect_video || video >= end || audio >= patience;
  const bool audio_there = !options_.expect_audio || audio >= end || video >= patience;
  return video_there && audio_there && (video >= end || audio >= end);
}

Status Session::ScoreReadyWindows() {
  if (!range_fixed_) {
    if (!RangeKnown()) return Status::kOk;
    const int64_t audio_first =
        FloorDiv(FloorDiv(sound_.first_sample(), spec::audio::hop_samples) - kMelOffset, kPerFrame);
    first_index_ = grid_.started() ? grid_.first_index() : audio_first;
    if (grid_.started() && sound_.started()) first_index_ = std::min(first_index_, audio_first);
    next_window_ = motion_end_ = first_index_;
    range_fixed_ = true;
  }
  if (options_.extract) return Status::kOk;
  while (Reached(next_window_ + kFrames)) {
    const Status status = ScoreWindow(next_window_);
    if (status != Status::kOk) return status;
    CountLips(motion_end_, next_window_ + kStride);
    next_window_ += kStride;
  }
  Forget();
  return Status::kOk;
}

// Lets go of what neither the next regular window nor the last one will look at.
void Session::Forget() {
  int64_t end = first_index_;
  if (grid_.started()) end = std::max(end, VideoEnd());
  if (sound_.started()) end = std::max(end, AudioEnd());
  const int64_t before = std::min(next_window_, end - kFrames);
  for (Track& track : tracks_) history_.Forget(&track.history, before);
  sound_.DiscardBefore(kPerFrame * before + kMelOffset);
}

void Session::CountLips(int64_t from, int64_t until) {
  for (Track& track : tracks_) {
    history_.ForEach(track.history, [&](int64_t index, const FaceFrame& face) {
      if (index < from || index >= until) return;
      const auto lips = Lips(face);
      if (index == track.last_lips_index + 1) {
        const double speed = std::abs(lips[0] - track.last_lips[0]) + 0.5 * std::abs(lips[1] - track.last_lips[1]);
        const bool speech = sound_.speech(index * kPerFrame);
        (speech ? track.facts.motion_in_speech : track.facts.motion_in_silence) += speed;
        ++(speech ? track.facts.speech_frames : track.facts.silence_frames);
      }
      track.last_lips = lips;
      track.last_lips_index = index;
    });
  }
  motion_end_ = until;
}

bool Session::PackSound(int64_t first, bool* speech) {
  std::array<const float*, kWindowMel> rows;
  int64_t speech_frames = 0;
  for (int64_t i = 0; i < kWindowMel; ++i) {
    const int64_t j = first * kPerFrame + kMelOffset + i;
    rows[static_cast<size_t>(i)] = sound_.frame(j);
    speech_frames += sound_.speech(j) ? 1 : 0;
  }
  *speech = speech_frames >= kLeastSpeechFrames;
  return NormaliseAudioWindow(rows.data(), joint_->input(kMelInput), joint_->input(kLinearInput));
}

bool Session::PackFaces(const Track& track, int64_t first) {
  std::array<const FaceFrame*, kFrames> frames{};
  int64_t seen = 0;
  history_.ForEach(track.history, [&](int64_t index, const FaceFrame& face) {
    if (index < first || index >= first + kFrames) return;
    frames[static_cast<size_t>(index - first)] = &face;
    ++seen;
  });
  const int64_t range_end = std::max(VideoEnd(), AudioEnd());
  // A clip shorter than a window must show the face in half of what there is, not of what is not.
  if (seen < std::min(kLeastFaceFrames, std::max<int64_t>((range_end - first) / 2, spec::window::minimum_frames / 2))) {
    return false;
  }
  const FaceFrame* last = *std::find_if(frames.begin(), frames.end(), [](const FaceFrame* f) { return f != nullptr; });
  std::array<const Level*, kFrames> canvases;
  std::array<const float*, kFrames> points, poses;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (frames[i] != nullptr) last = frames[i];
    canvases[i] = last->canvas.data();
    points[i] = last->canvas_points[0].data();
    poses[i] = last->pose.data();
  }
  PackPixels(canvases.data(), joint_->layout(kFaceInput), joint_->input(kFaceInput), joint_->input(kMouthInput));
  PackMotion(points.data(), poses.data(), joint_->input(kMotionInput));
  return true;
}

Status Session::RunWindow(int64_t first, Track* track, bool sound) {
  const Status status = joint_->Run();
  if (status != Status::kOk) return Break(status, "the joint model failed to run: reset the session");
  if (!HasRoom(windows_, 1)) return Break(Status::kLimit, "the clip is longer than max_duration_s: reset the session");
  WindowScore& score = windows_.emplace_back();
  score.first_index = first;
  score.face = track != nullptr;
  score.speech = sound;
  if (track != nullptr) score.track = track->facts.id;
  const float* logits = joint_->output(kWindowLogits);
  const float* steps = joint_->output(kStepLogits);
  std::copy(logits, logits + kHeads, score.logits.begin());
  for (size_t head = 0; head < kHeads; ++head) {
    std::copy(steps + head * kSteps, steps + (head + 1) * kSteps, score.steps[head].begin());
  }
  if (track != nullptr && sound) {
    const auto similarity =
        LagSimilarity(joint_->output(kLipEmbedding), joint_->output(kVoiceEmbedding), spec::embedding_dims);
    TrackFacts& facts = track->facts;
    for (size_t i = 0; i < similarity.size(); ++i) facts.similarity_sum[i] += similarity[i];
    ++facts.spoken_windows;
  }
  avg_event event = NewEvent(AVG_WINDOW_SCORED, score.track);
  event.start_us = first * kPeriodUs;
  event.end_us = (first + kFrames) * kPeriodUs;
  const Calibration& calibration = model_.calibration;
  for (size_t head = 0; head < kHeads; ++head) {
    if (!score.Judged(head)) continue;
    event.scores[head] = Sigmoid(calibration.scale[head] * score.logits[head] + calibration.bias[head]);
  }
  events_.Add(event);
  live_.Add(score);
  return Status::kOk;
}

Status Session::ScoreWindow(int64_t first) {
  bool speech = false;
  const bool sound = PackSound(first, &speech);
  bool any_face = false;
  for (Track& track : tracks_) {
    if (!PackFaces(track, first)) continue;
    any_face = true;
    const Status status = RunWindow(first, &track, sound && speech);
    if (status != Status::kOk) return status;
  }
  if (any_face || !(sound && speech)) return Status::kOk;
  for (size_t input : {kFaceInput, kMouthInput, kMotionInput}) {
    std::fill_n(joint_->input(input), joint_->input_size(input), 0.0f);
  }
  return RunWindow(first, nullptr, true);
}

Status Session::ScoreLastWindow() {
  const int64_t end = std::max(grid_.started() ? VideoEnd() : INT64_MIN, sound_.started() ? AudioEnd() : INT64_MIN);
  const int64_t frames = end - first_index_;
  Status status = Status::kOk;
  if (frames >= spec::window::minimum_frames) {
    const int64_t covered = next_window_ == first_index_ ? first_index_ : next_window_ - kStride + kFrames;
    if (frames < kFrames) {
      status = ScoreWindow(first_index_);
    } else if (end - covered >= kLeastTail) {
      status = ScoreWindow(end - kFrames);
    }
  }
  CountLips(motion_end_, end);
  return status;
}

}  // namespace avg
