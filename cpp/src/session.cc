// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <algorithm>

namespace avg {
namespace {

constexpr int64_t kPeriodUs = spec::video::period_us;
// Times beyond these come from broken files; they bound the number of grid cells.
constexpr int64_t kLatestUs = int64_t{24} * 3600 * 1'000'000;

}  // namespace

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options)
    : model_(std::move(model)), options_(options), sound_(options.extract) {}

Status Session::Create(std::shared_ptr<const Model> model, const SessionOptions& options,
                       std::unique_ptr<Session>* session, std::string* error) {
  if (!model || !model->detector || !model->mesh || (!model->joint && !options.extract)) {
    *error = "a session needs a face detector, a face mesh and a joint model";
    return Status::kInvalidArgument;
  }
  std::unique_ptr<Session> created(new Session(std::move(model), options));
  const Model& programs = *created->model_;
  Status status = FaceFinder::Create(*programs.detector, *programs.mesh, &created->finder_, error);
  if (status != Status::kOk) return status;
  if (!options.extract) {
    status = programs.joint->CreateNetwork(&created->joint_, error);
    if (status != Status::kOk) return status;
    if (!FitsSpec(*created->joint_)) {
      *error = "the joint model's inputs or outputs do not have the sizes of this build's spec";
      return Status::kModel;
    }
  }
  *session = std::move(created);
  return Status::kOk;
}

Status Session::Fail(Status status, const char* what) {
  error_ = what;
  return status;
}

Status Session::PushFrame(const Image& image, int64_t t_us) {
  if (finished_) return Fail(Status::kWrongOrder, "a frame came after finish");
  const Status valid = Validate(image);
  if (valid != Status::kOk) return Fail(valid, "the frame's size, planes, strides or rotation are impossible");
  if (t_us < -kLatestUs || t_us > kLatestUs) return Fail(Status::kLimit, "the frame's time is beyond 24 hours");
  std::vector<FrameGrid::Cell> cells;
  grid_.Push(t_us, &cells);
  Status status = TakeCells(cells);
  if (status != Status::kOk) return status;
  held_[newest_].Store(image);
  return ScoreReadyWindows();
}

Status Session::PushAudio(const float* samples, size_t count, int32_t rate_hz, int64_t t_us) {
  if (finished_) return Fail(Status::kWrongOrder, "sound came after finish");
  if (samples == nullptr && count > 0) return Fail(Status::kInvalidArgument, "samples is null");
  if (t_us < -kLatestUs || t_us > kLatestUs) return Fail(Status::kLimit, "the sound's time is beyond 24 hours");
  const Status status = sound_.Push(samples, count, rate_hz, t_us);
  if (status != Status::kOk)
    return Fail(status, "the sample rate changed or is outside 4 to 192 kHz, or a gap is too long");
  return ScoreReadyWindows();
}

std::vector<Event> Session::Poll() {
  std::vector<Event> events;
  events.swap(events_);
  return events;
}

Status Session::TakeCells(const std::vector<FrameGrid::Cell>& cells) {
  for (const FrameGrid::Cell& cell : cells) {
    Status status = Status::kOk;
    if (cell.frame < 0) {
      status = Settle();
      MarkLost(cell.index);
    } else if (cell.frame != seen_frame_) {
      status = Look(cell);
    } else if (!waiting_cells_.empty()) {
      waiting_cells_.push_back(cell.index);
    } else {
      Record(cell.index, faces_);
    }
    if (status != Status::kOk) return status;
  }
  return Status::kOk;
}

Status Session::Look(const FrameGrid::Cell& cell) {
  std::vector<FaceFrame> waited;
  bool waits = false;
  const Status status = finder_->Update(held_[newest_].image(), cell.index, &waited, &faces_, &waits);
  if (status != Status::kOk) return Fail(status, "a face network failed to run");
  seen_frame_ = cell.frame;
  RecordWaiting(waited);
  if (waits) {
    waiting_cells_.push_back(cell.index);
    newest_ = 1 - newest_;
  } else {
    Record(cell.index, faces_);
  }
  return Status::kOk;
}

Status Session::Settle() {
  if (waiting_cells_.empty()) return Status::kOk;
  const Status status = finder_->Settle(&faces_);
  if (status != Status::kOk) return Fail(status, "a face network failed to run");
  RecordWaiting(faces_);
  return Status::kOk;
}

void Session::RecordWaiting(const std::vector<FaceFrame>& faces) {
  for (const int64_t index : waiting_cells_) Record(index, faces);
  waiting_cells_.clear();
}

void Session::Record(int64_t index, const std::vector<FaceFrame>& faces) {
  MarkLost(index);
  for (const FaceFrame& face : faces) {
    const bool fresh = tracks_.find(face.track) == tracks_.end();
    Track& track = tracks_[face.track];
    if (fresh) {
      track.facts.id = face.track;
      track.facts.first_index = index;
      Event found;
      found.kind = Event::Kind::kTrackFound;
      found.track = face.track;
      found.start_us = found.end_us = index * kPeriodUs;
      events_.push_back(found);
    }
    track.facts.last_index = index;
    ++track.facts.frames;
    track.facts.eye_distance_sum += face.quality.eye_distance_px;
    track.facts.yaw_sum += std::abs(face.quality.yaw);
    track.facts.sharpness_sum += face.quality.sharpness;
    track.facts.brightness_sum += face.quality.brightness;
    if (options_.extract) {
      Extract(index, face);
    } else {
      track.history.emplace_back(index, face);
    }
  }
}

void Session::Extract(int64_t index, const FaceFrame& face) {
  auto found = std::find_if(extracted_.begin(), extracted_.end(), [&](const auto& t) { return t.id == face.track; });
  if (found == extracted_.end()) {
    extracted_.emplace_back();
    found = extracted_.end() - 1;
    found->id = face.track;
  }
  found->indices.push_back(index);
  found->canvases.insert(found->canvases.end(), face.canvas.begin(), face.canvas.end());
  for (const auto& point : face.canvas_points) found->points.insert(found->points.end(), point.begin(), point.end());
  found->poses.insert(found->poses.end(), face.pose.begin(), face.pose.end());
  found->eye_distance.push_back(face.quality.eye_distance_px);
}

void Session::MarkLost(int64_t index) {
  for (auto& [id, track] : tracks_) {
    if (track.lost || index - track.facts.last_index <= spec::face::track_lost_frames) continue;
    track.lost = true;
    Event lost;
    lost.kind = Event::Kind::kTrackLost;
    lost.track = id;
    lost.start_us = lost.end_us = (track.facts.last_index + 1) * kPeriodUs;
    events_.push_back(lost);
  }
}

Evidence Session::CollectEvidence() {
  Evidence evidence;
  evidence.expects_video = options_.expect_video;
  evidence.expects_audio = options_.expect_audio;
  evidence.first_index = evidence.end_index = first_index_;
  if (grid_.started()) evidence.end_index = std::max(evidence.end_index, VideoEnd());
  if (sound_.started()) evidence.end_index = std::max(evidence.end_index, AudioEnd());
  evidence.speech_s =
      static_cast<double>(sound_.speech_frames() * spec::audio::hop_samples) / spec::audio::sample_rate_hz;
  evidence.bandwidth_hz = sound_.bandwidth_hz();
  evidence.loudness_dbfs = sound_.loudness_dbfs();
  evidence.small_faces = finder_->small_faces();
  for (const auto& [id, track] : tracks_) evidence.tracks.push_back(track.facts);
  evidence.windows = windows_;
  evidence.warnings = warnings_;
  const auto warn = [&](int64_t count, const char* what) {
    if (count > 0) evidence.warnings.push_back(std::to_string(count) + what);
  };
  warn(grid_.repaired(), " video timestamps did not move forward");
  warn(sound_.gaps(), " gaps in the sound were filled with silence");
  warn(sound_.overlaps(), " overlaps in the sound were dropped");
  warn(sound_.replaced(), " samples were not finite numbers");
  return evidence;
}

Status Session::Finish(Verdict* verdict) {
  if (finished_) return Fail(Status::kWrongOrder, "finish was called twice");
  std::vector<FrameGrid::Cell> cells;
  grid_.Finish(&cells);
  Status status = TakeCells(cells);
  if (status == Status::kOk) status = Settle();
  if (status == Status::kOk) status = sound_.Finish();
  finished_ = true;
  if (status == Status::kOk) status = ScoreReadyWindows();
  if (status == Status::kOk && !options_.extract && range_fixed_) status = ScoreLastWindow();
  if (status == Status::kOk) *verdict = Decide(CollectEvidence(), model_->calibration);
  return status;
}

}  // namespace avg
