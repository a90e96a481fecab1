// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <algorithm>
#include <charconv>

#include "floor_div.h"
#include "programs.h"

namespace avg {
namespace {

constexpr int64_t kPeriodUs = spec::video::period_us;
constexpr int64_t kSecondUs = 1'000'000;
// Times beyond these come from broken files; they bound the number of grid cells.
constexpr int64_t kLatestUs = int64_t{24} * 3600 * kSecondUs;
// Cells that one frame wins: those within max_hold_us of it.
constexpr size_t kHeldCells = 2 * spec::video::max_hold_us / kPeriodUs + 2;
// Grid frames whose faces are kept: a window, the lag of the sound, and two frames' cells.
constexpr size_t kKeptFrames = spec::window::frames + spec::window::stream_lag_frames + kHeldCells + 4;

size_t StepsOf(const SessionOptions& options) {
  const auto frames = static_cast<size_t>(options.max_duration_s * kSecondUs / kPeriodUs) + spec::window::frames;
  return frames / kFramesPerStep + 1;
}

// Without a limit: about three hours of one face. What is not used costs nothing, and a vector that doubles leaves
// what it moved from to the heap.
constexpr size_t kRoomForWindows = 12000;

// Half of a window is enough to be judged, so twice as many faces may be in one.
size_t WindowsOf(const SessionOptions& options) {
  const auto frames = static_cast<size_t>(options.max_duration_s * kSecondUs / kPeriodUs);
  return 2 * options.max_faces * (frames / spec::window::stride_frames + 2);
}

}  // namespace

Status Networks::Load(const Model& model, bool with_joint, Arena* arena, Networks* networks, std::string* error) {
  if (!model.detector || !model.mesh || (with_joint && !model.joint)) {
    *error = "a session needs a face detector, a face mesh and a joint model";
    return Status::kInvalidArgument;
  }
  Status status = model.detector->CreateNetwork(arena, &networks->detector, error);
  if (status == Status::kOk) status = model.mesh->CreateNetwork(arena, &networks->mesh, error);
  if (status == Status::kOk && with_joint) status = model.joint->CreateNetwork(arena, &networks->joint, error);
  if (status != Status::kOk) return status;
  if (!Fits(*networks->detector, programs::kDetector) || !Fits(*networks->mesh, programs::kMesh)) {
    *error = "the face models have other inputs or outputs than this build expects";
    return Status::kModel;
  }
  if (with_joint && !Fits(*networks->joint, programs::kJoint)) {
    *error = "the joint model's inputs or outputs do not have the sizes of this build's spec";
    return Status::kModel;
  }
  return Status::kOk;
}

Session::Session(const Model& model, const Networks& networks, const SessionOptions& options, Arena* arena)
    : model_(model),
      joint_(networks.joint.get()),
      options_(options),
      limited_(arena != nullptr),
      finder_(networks.detector.get(), networks.mesh.get(), options.max_faces),
      sound_({arena, options.audio_rate_hz, options.extract, options.sound_room_bytes}),
      held_{StoredImage(arena, limited_ ? options.max_frame_bytes : 0),
            StoredImage(arena, limited_ ? options.max_frame_bytes : 0)},
      waiting_cells_(arena),
      tracks_(arena),
      history_(arena, options.extract ? 0 : kKeptFrames * options.max_faces),
      windows_(arena),
      events_(arena, options.max_events),
      live_(model.calibration, &events_),
      facts_(arena),
      verdict_(arena, limited_ ? StepsOf(options) : 0, limited_ ? options.max_tracks : 0, options.max_warning_bytes) {
  waiting_cells_.reserve(kHeldCells);
  if (!limited_) {
    windows_.reserve(kRoomForWindows);
    return;
  }
  tracks_.reserve(options.max_tracks);
  facts_.reserve(options.max_tracks);
  windows_.reserve(WindowsOf(options));
}

Status Session::Fail(Status status, const char* what) {
  error_ = what;
  return status;
}

Status Session::Break(Status status, const char* what) {
  broken_ = status;
  return Fail(status, what);
}

Status Session::MayPush(const char* after_finish) {
  if (broken_ != Status::kOk) return broken_;
  return finished_ ? Fail(Status::kWrongOrder, after_finish) : Status::kOk;
}

// Whether the clip stays within its limit when something from start_us to end_us is added.
bool Session::InRange(int64_t start_us, int64_t end_us) const {
  if (!limited_) return true;
  int64_t first_us = start_us, last_us = end_us;
  if (range_fixed_) {
    first_us = first_index_ * kPeriodUs;
  } else {
    if (grid_.started()) first_us = std::min(first_us, grid_.first_index() * kPeriodUs);
    if (sound_.started()) first_us = std::min(first_us, sound_.start_us());
  }
  if (grid_.started()) last_us = std::max(last_us, grid_.last_time_us());
  if (sound_.started()) last_us = std::max(last_us, AudioEnd() * kPeriodUs);
  return last_us - first_us <= options_.max_duration_s * kSecondUs;
}

Status Session::PushFrame(const Image& image, int64_t t_us, Release release) {
  const Status may = MayPush("a frame came after finish: reset the session, or make a new one");
  if (may != Status::kOk) return may;
  const Status valid = Validate(image);
  if (valid != Status::kOk) return Fail(valid, "the frame's size, planes, strides or rotation are impossible");
  if (t_us < -kLatestUs || t_us > kLatestUs) return Fail(Status::kLimit, "the frame's time is beyond 24 hours");
  if (release.call == nullptr && !held_[0].Fits(image)) {
    return Fail(Status::kLimit, "the frame is larger than max_frame_bytes");
  }
  // Once it has begun, a stream's times only go forward.
  const int64_t placed_us = grid_.started() ? std::max(t_us, grid_.last_time_us() + 1) : t_us;
  if (!InRange(placed_us, placed_us))
    return Fail(Status::kLimit, "the clip is longer than max_duration_s: finish and reset");
  grid_.Push(t_us);
  Status status = TakeCells();
  if (status != Status::kOk) return status;
  if (waiting_cells_.empty()) held_[1 - newest_].Drop();
  if (release.call == nullptr) {
    held_[newest_].Store(image);
  } else {
    held_[newest_].Borrow(image, release);
  }
  status = ScoreReadyWindows();
  if (status != Status::kOk) held_[newest_].Forget();
  return status;
}

Status Session::PushAudio(const Pcm& pcm, int64_t t_us) {
  const Status may = MayPush("sound came after finish: reset the session, or make a new one");
  if (may != Status::kOk) return may;
  if (pcm.samples == nullptr && pcm.count > 0) return Fail(Status::kInvalidArgument, "samples is null");
  if (t_us < -kLatestUs || t_us > kLatestUs) return Fail(Status::kLimit, "the sound's time is beyond 24 hours");
  const int64_t placed_us = sound_.started() ? std::max(t_us, sound_.start_us()) : t_us;
  if (pcm.rate_hz > 0 && !InRange(placed_us, SoundLine::EndUs(pcm, t_us))) {
    return Fail(Status::kLimit, "the clip is longer than max_duration_s: finish and reset");
  }
  Status status = sound_.Begin(pcm, t_us);
  if (status != Status::kOk) {
    return Fail(status, "the sample rate changed or is outside 4 to 192 kHz, or a gap is too long");
  }
  // What a piece makes is used before the next: sound that runs far ahead must not pile up.
  for (bool more = true; more && status == Status::kOk;) {
    status = sound_.Feed(pcm, &more);
    if (status == Status::kOk) status = ScoreReadyWindows();
  }
  return status;
}

Status Session::Warn(std::string_view warning) {
  if (finished_) return Fail(Status::kWrongOrder, "a warning came after finish");
  return verdict_.warnings.Add(warning) ? Status::kOk : Fail(Status::kLimit, "there is no room for more warnings");
}

Status Session::TakeCells() {
  Status status = Status::kOk;
  for (FrameGrid::Cell cell; status == Status::kOk && grid_.Take(&cell);) {
    if (cell.frame < 0) {
      status = Settle();
      MarkLost(cell.index);
    } else if (cell.frame != seen_frame_) {
      status = Look(cell);
    } else if (!waiting_cells_.empty()) {
      waiting_cells_.push_back(cell.index);
    } else {
      status = Record(cell.index, faces_);
    }
  }
  return status;
}

Status Session::Look(const FrameGrid::Cell& cell) {
  bool waits = false;
  Status status = finder_.Update(held_[newest_].image(), cell.index, &waited_, &faces_, &waits);
  if (status != Status::kOk) return Break(status, "a face network failed to run: reset the session");
  seen_frame_ = cell.frame;
  status = RecordWaiting(waited_);
  if (status != Status::kOk || !waits) return status != Status::kOk ? status : Record(cell.index, faces_);
  waiting_cells_.push_back(cell.index);
  newest_ = 1 - newest_;
  return Status::kOk;
}

Status Session::Settle() {
  if (waiting_cells_.empty()) return Status::kOk;
  const Status status = finder_.Settle(&faces_);
  if (status != Status::kOk) return Break(status, "a face network failed to run: reset the session");
  return RecordWaiting(faces_);
}

Status Session::RecordWaiting(const FaceList& faces) {
  Status status = Status::kOk;
  for (size_t i = 0; i < waiting_cells_.size() && status == Status::kOk; ++i) status = Record(waiting_cells_[i], faces);
  waiting_cells_.clear();
  return status;
}

Status Session::Record(int64_t index, const FaceList& faces) {
  MarkLost(index);
  shown_index_ = index;
  shown_count_ = faces.size();
  for (size_t i = 0; i < faces.size(); ++i) {
    const FaceFrame& face = faces[i];
    shown_[i] = {face.box.left, face.box.top, face.box.right, face.box.bottom, face.track};
    Track* track = TrackOf(face.track, index);
    if (track == nullptr) continue;
    track->facts.last_index = index;
    ++track->facts.frames;
    track->facts.eye_distance_sum += face.quality.eye_distance_px;
    track->facts.yaw_sum += std::abs(face.quality.yaw);
    track->facts.sharpness_sum += face.quality.sharpness;
    track->facts.brightness_sum += face.quality.brightness;
    if (options_.extract) {
      Extract(index, face);
    } else if (!history_.Append(&track->history, index, face)) {
      return Break(Status::kLimit, "more faces are waiting to be judged than there is room for: reset the session");
    }
  }
  return Status::kOk;
}

size_t Session::Faces(avg_face* faces, size_t capacity, int64_t* t_us) const {
  *t_us = shown_index_ * kPeriodUs;
  std::copy_n(shown_.begin(), std::min(capacity, shown_count_), faces);
  return shown_count_;
}

Session::Track* Session::TrackOf(int32_t id, int64_t index) {
  const auto before = [](const Track& track, int32_t wanted) { return track.facts.id < wanted; };
  auto found = std::lower_bound(tracks_.begin(), tracks_.end(), id, before);
  if (found != tracks_.end() && found->facts.id == id) return &*found;
  if (!HasRoom(tracks_, 1)) {
    if (!MakeRoomForTrack()) return nullptr;
    found = std::lower_bound(tracks_.begin(), tracks_.end(), id, before);
  }
  Track fresh;
  fresh.facts.id = id;
  fresh.facts.first_index = index;
  avg_event event = NewEvent(AVG_TRACK_FOUND, id);
  event.start_us = event.end_us = index * kPeriodUs;
  events_.Add(event);
  return &*tracks_.insert(found, fresh);
}

bool Session::MakeRoomForTrack() {
  auto shortest = tracks_.end();
  for (auto track = tracks_.begin(); track != tracks_.end(); ++track) {
    if (!track->lost || track->history.first != FaceHistory::kNone) continue;
    if (shortest == tracks_.end() || track->facts.frames < shortest->facts.frames) shortest = track;
  }
  if (shortest == tracks_.end()) return false;
  tracks_.erase(shortest);
  ++dropped_tracks_;
  return true;
}

void Session::Extract(int64_t index, const FaceFrame& face) {
  auto found = std::find_if(extracted_.begin(), extracted_.end(), [&](const auto& t) { return t.id == face.track; });
  if (found == extracted_.end()) {
    extracted_.emplace_back();
    found = extracted_.end() - 1;
    found->id = face.track;
  }
  found->indices.push_back(index);
  const size_t before = found->canvases.size();
  found->canvases.resize(before + face.canvas.size());
  ToBytes(face.canvas.data(), face.canvas.size() / 3, found->canvases.data() + before);
  for (const auto& point : face.canvas_points) found->points.insert(found->points.end(), point.begin(), point.end());
  found->poses.insert(found->poses.end(), face.pose.begin(), face.pose.end());
  found->eye_distance.push_back(face.quality.eye_distance_px);
}

void Session::MarkLost(int64_t index) {
  for (Track& track : tracks_) {
    if (track.lost || index - track.facts.last_index <= spec::face::track_lost_frames) continue;
    track.lost = true;
    avg_event event = NewEvent(AVG_TRACK_LOST, track.facts.id);
    event.start_us = event.end_us = (track.facts.last_index + 1) * kPeriodUs;
    events_.Add(event);
  }
}

void Session::AddWarnings() {
  const auto warn = [&](int64_t count, std::string_view what) {
    if (count == 0) return;
    std::array<char, 128> text;
    char* end = std::to_chars(text.data(), text.data() + 24, count).ptr;
    end = std::copy(what.begin(), what.end(), end);
    verdict_.warnings.Add({text.data(), static_cast<size_t>(end - text.data())});
  };
  warn(grid_.repaired(), " video timestamps did not move forward");
  warn(sound_.gaps(), " gaps in the sound were filled with silence");
  warn(sound_.overlaps(), " overlaps in the sound were dropped");
  warn(sound_.replaced(), " samples were not finite numbers");
  warn(dropped_tracks_, " faces that were seen briefly are left out");
  if (!model_.warning.empty()) verdict_.warnings.Add(model_.warning);
}

Status Session::DecideAll() {
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
  evidence.small_faces = finder_.small_faces();
  for (const Track& track : tracks_) facts_.push_back(track.facts);
  evidence.tracks = facts_.data();
  evidence.track_count = facts_.size();
  evidence.windows = windows_.data();
  evidence.window_count = windows_.size();
  AddWarnings();
  const Status status = Decide(evidence, model_.calibration, &verdict_);
  return status == Status::kOk ? status : Break(status, "the clip is longer than max_duration_s: reset the session");
}

Status Session::Finish() {
  if (finished_) return Fail(Status::kWrongOrder, "finish was called twice");
  finished_ = true;
  grid_.Finish();
  Status status = broken_;
  if (status == Status::kOk) status = TakeCells();
  if (status == Status::kOk) status = Settle();
  for (StoredImage& held : held_) held.Drop();
  if (status == Status::kOk) status = sound_.Finish();
  if (status == Status::kOk) status = ScoreReadyWindows();
  if (status == Status::kOk && !options_.extract && range_fixed_) status = ScoreLastWindow();
  if (status == Status::kOk) {
    live_.Finish();
    status = DecideAll();
  }
  decided_ = status == Status::kOk;
  return status;
}

}  // namespace avg
