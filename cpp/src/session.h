// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "clip/grid.h"
#include "decide/decide.h"
#include "decide/events.h"
#include "decide/live.h"
#include "engine/engine.h"
#include "faces.h"
#include "history.h"
#include "memory.h"
#include "model.h"
#include "sound.h"
#include "status.h"
#include "video/image.h"
#include "video/stored_image.h"

namespace avg {

struct SessionOptions {
  bool expect_video = true;
  bool expect_audio = true;
  // Keep canvases, points and samples for training, on the heap, and score nothing.
  bool extract = false;
  int32_t audio_rate_hz = 0;    // the only one; 0: any
  size_t sound_room_bytes = 0;  // in an arena: SoundLine::RoomFor(audio_rate_hz)
  size_t max_faces = AVG_MAX_FACES;
  size_t max_events = 256;
  // What there is room for in an arena. On the heap a clip may last a day, and frames and faces have no limit.
  int64_t max_duration_s = 600;
  size_t max_frame_bytes = 1920 * 1080 * 3 / 2;
  size_t max_tracks = AVG_MAX_TRACKS;
  size_t max_warning_bytes = AVG_MAX_WARNING_BYTES;
};

// One face over time, as training wants it. Rows are grid frames `indices`.
struct ExtractedTrack {
  int32_t id = 0;
  std::vector<int64_t> indices;
  std::vector<uint8_t> canvases;    // (n, canvas_px, canvas_px, 3), rounded
  std::vector<float> points;        // (n, 468, 2) canvas pixels
  std::vector<float> poses;         // (n, 4)
  std::vector<float> eye_distance;  // (n,) source pixels
};

// Runnable instances of a model's programs, for one session. They hold nothing of a clip.
struct Networks {
  Owned<Network> detector, mesh, joint;

  // `with_joint`: for scoring, not only for extracting.
  static Status Load(const Model& model, bool with_joint, Arena* arena, Networks* networks, std::string* error);
};

// The whole line after decoding, for one clip: timestamped frames and sound in, events and a verdict out. One thread
// at a time. Any interleaving of the two streams whose lag stays below spec::window::stream_lag_frames gives the same
// verdict, bit for bit. In an arena all memory is taken when it is made; pushes, polls and Finish take none.
class Session {
 public:
  // `model` and `networks` outlive the session.
  Session(const Model& model, const Networks& networks, const SessionOptions& options, Arena* arena);

  // t_us: presentation time of the frame. Without `release` the image is copied; else it stays as it is until that is
  // called, which happens once if the push succeeds, and not at all if it fails.
  Status PushFrame(const Image& image, int64_t t_us, Release release = {});
  // t_us: time of the first sample.
  Status PushAudio(const Pcm& pcm, int64_t t_us);
  // A sentence for the verdict's warnings, such as what the decoder had to repair.
  Status Warn(std::string_view warning);
  // The oldest event that was not given yet.
  bool Poll(avg_event* event) { return events_.Take(event); }
  // Writes up to `capacity` faces of the newest recorded cell and its time; returns how many there are.
  size_t Faces(avg_face* faces, size_t capacity, int64_t* t_us) const;
  // Ends both streams and decides. Only once.
  Status Finish();

  bool decided() const { return decided_; }
  const Verdict& verdict() const { return verdict_; }
  const ModelCard& card() const { return model_.card; }
  const SoundLine& sound() const { return sound_; }
  std::vector<ExtractedTrack>& extracted() { return extracted_; }
  // Of the last failed call.
  const char* error() const { return error_; }

 private:
  // In the order of ids.
  struct Track {
    TrackFacts facts;
    FaceHistory::List history;
    std::array<float, 2> last_lips{};  // inner lip opening and width of the previous frame
    int64_t last_lips_index = -2;
    bool lost = false;
  };

  Status Fail(Status status, const char* what);
  // Fails for good: what follows would be judged on half of the evidence.
  Status Break(Status status, const char* what);
  Status MayPush(const char* after_finish);
  bool InRange(int64_t start_us, int64_t end_us) const;
  Status TakeCells();
  Status Look(const FrameGrid::Cell& cell);
  Status Settle();
  Status RecordWaiting(const FaceList& faces);
  Status Record(int64_t index, const FaceList& faces);
  Track* TrackOf(int32_t id, int64_t index);
  bool MakeRoomForTrack();
  void Extract(int64_t index, const FaceFrame& face);
  void MarkLost(int64_t index);
  bool RangeKnown() const;
  int64_t VideoEnd() const;
  int64_t AudioEnd() const;
  bool Reached(int64_t end) const;
  Status ScoreReadyWindows();
  Status ScoreLastWindow();
  Status ScoreWindow(int64_t first);
  Status RunWindow(int64_t first, Track* track, bool sound);
  bool PackSound(int64_t first, bool* speech);
  bool PackFaces(const Track& track, int64_t first);
  void CountLips(int64_t from, int64_t until);
  void Forget();
  Status DecideAll();
  void AddWarnings();

  const Model& model_;
  Network* const joint_;
  const SessionOptions options_;
  const bool limited_;  // in an arena
  FaceFinder finder_;
  FrameGrid grid_;
  SoundLine sound_;
  // The newest frame, and the one before it while its faces wait for the next mesh.
  std::array<StoredImage, 2> held_;
  size_t newest_ = 0;
  Vector<int64_t> waiting_cells_;  // that show the frame that waits
  int64_t seen_frame_ = -1;        // running number of the frame that faces_ belongs to
  FaceList faces_, waited_;
  std::array<avg_face, FaceList::kMost> shown_{};  // of the newest recorded cell
  size_t shown_count_ = 0;
  int64_t shown_index_ = 0;
  Vector<Track> tracks_;
  FaceHistory history_;
  int64_t dropped_tracks_ = 0;
  std::vector<ExtractedTrack> extracted_;
  bool range_fixed_ = false;
  int64_t first_index_ = 0;  // of the clip, on the grid
  int64_t next_window_ = 0;  // first index of the next regular window
  int64_t motion_end_ = 0;   // lips were compared with speech up to here
  Vector<WindowScore> windows_;
  EventQueue events_;
  LiveSegments live_;
  Vector<TrackFacts> facts_;  // of all tracks, for the decision
  Verdict verdict_;
  bool finished_ = false, decided_ = false;
  Status broken_ = Status::kOk;
  const char* error_ = "";
};

}  // namespace avg
