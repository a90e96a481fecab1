// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "clip/grid.h"
#include "decide/decide.h"
#include "engine/engine.h"
#include "faces.h"
#include "sound.h"
#include "status.h"
#include "video/image.h"
#include "video/stored_image.h"

namespace avg {

// Opened once, immutable, shared by any number of sessions and threads.
struct Model {
  std::shared_ptr<const EngineProgram> detector, mesh, joint;
  Calibration calibration;
  ModelCard card;
};

struct SessionOptions {
  bool expect_video = true;
  bool expect_audio = true;
  // Keep canvases, points and samples for training, and score nothing.
  bool extract = false;
};

// What happened, in order; only appended to.
struct Event {
  enum class Kind : uint8_t { kTrackFound, kTrackLost, kWindowScored } kind = Kind::kWindowScored;
  int32_t track = -1;
  int64_t start_us = 0, end_us = 0;
  PerHead<Score> scores{};  // calibrated, of the window alone
};

// One face over time, as training wants it. Rows are grid frames `indices`.
struct ExtractedTrack {
  int32_t id = 0;
  std::vector<int64_t> indices;
  std::vector<uint8_t> canvases;    // (n, canvas_px, canvas_px, 3)
  std::vector<float> points;        // (n, 468, 2) canvas pixels
  std::vector<float> poses;         // (n, 4)
  std::vector<float> eye_distance;  // (n,) source pixels
};

// The whole line after decoding, for one clip: timestamped frames and sound in, events and a verdict out. One thread
// at a time. Any interleaving of the two streams whose lag stays below spec::window::stream_lag_frames gives the same
// verdict, bit for bit.
class Session {
 public:
  static Status Create(std::shared_ptr<const Model> model, const SessionOptions& options,
                       std::unique_ptr<Session>* session, std::string* error);

  // t_us: presentation time of the frame. The image is copied.
  Status PushFrame(const Image& image, int64_t t_us);
  // Mono float32 in [-1, 1]; t_us: time of the first sample.
  Status PushAudio(const float* samples, size_t count, int32_t rate_hz, int64_t t_us);
  // A sentence for the verdict's warnings, such as what the decoder had to repair.
  void Warn(std::string warning) { warnings_.push_back(std::move(warning)); }
  // Events since the last call.
  std::vector<Event> Poll();
  // Ends both streams and decides. Only once.
  Status Finish(Verdict* verdict);

  const ModelCard& card() const { return model_->card; }
  const SoundLine& sound() const { return sound_; }
  std::vector<ExtractedTrack>& extracted() { return extracted_; }
  const std::string& last_error() const { return error_; }

 private:
  struct Track {
    TrackFacts facts;
    std::deque<std::pair<int64_t, FaceFrame>> history;  // by grid index
    std::array<float, 2> last_lips{};                   // inner lip opening and width of the previous frame
    int64_t last_lips_index = -2;
    bool lost = false;
  };

  Session(std::shared_ptr<const Model> model, const SessionOptions& options);
  static bool FitsSpec(const Network& joint);
  Status Fail(Status status, const char* what);
  Status TakeCells(const std::vector<FrameGrid::Cell>& cells);
  Status Look(const FrameGrid::Cell& cell);
  Status Settle();
  void RecordWaiting(const std::vector<FaceFrame>& faces);
  void Record(int64_t index, const std::vector<FaceFrame>& faces);
  void Extract(int64_t index, const FaceFrame& face);
  void MarkLost(int64_t index);
  bool RangeKnown() const;
  int64_t VideoEnd() const;
  int64_t AudioEnd() const;
  Status ScoreReadyWindows();
  Status ScoreLastWindow();
  Status ScoreWindow(int64_t first);
  Status RunWindow(int64_t first, Track* track, bool sound);
  bool PackSound(int64_t first, bool* speech);
  bool PackFaces(const Track& track, int64_t first);
  void CountLips(int64_t from, int64_t until);
  void Forget(int64_t before);
  Evidence CollectEvidence();

  std::shared_ptr<const Model> model_;
  SessionOptions options_;
  std::unique_ptr<FaceFinder> finder_;
  std::unique_ptr<Network> joint_;
  FrameGrid grid_;
  SoundLine sound_;
  // The newest frame, and the one before it while its faces wait for the next mesh.
  std::array<StoredImage, 2> held_;
  size_t newest_ = 0;
  std::vector<int64_t> waiting_cells_;  // that show the frame that waits
  int64_t seen_frame_ = -1;             // running number of the frame that faces_ belongs to
  std::vector<FaceFrame> faces_;
  std::map<int32_t, Track> tracks_;
  std::vector<ExtractedTrack> extracted_;
  bool range_fixed_ = false;
  int64_t first_index_ = 0;  // of the clip, on the grid
  int64_t next_window_ = 0;  // first index of the next regular window
  int64_t motion_end_ = 0;   // lips were compared with speech up to here
  std::vector<WindowScore> windows_;
  std::vector<Event> events_;
  std::vector<std::string> warnings_;
  bool finished_ = false;
  std::string error_;
};

}  // namespace avg
