// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "avg_spec.h"
#include "engine/engine.h"
#include "face/align.h"
#include "face/detector.h"
#include "face/mesh.h"
#include "levels.h"
#include "memory.h"
#include "status.h"
#include "video/image.h"

namespace avg {

// One face in one frame.
struct FaceFrame {
  int32_t track = 0;
  FaceBox box;  // bounds of the mesh, upright pixels
  FaceQuality quality;
  Pose pose{};
  MeshPoints canvas_points{};
  std::array<Level, 3 * spec::video::canvas_px * spec::video::canvas_px> canvas;  // (3, canvas_px, canvas_px) RGB
};

// The faces of one frame, largest first.
class FaceList {
 public:
  static constexpr size_t kMost = spec::face::max_tracks;

  size_t size() const { return count_; }
  const FaceFrame& operator[](size_t i) const { return slots_[order_[i]]; }
  void Clear() { count_ = 0; }
  // Where the next face is written to; it belongs to the list after Keep. At most kMost.
  FaceFrame& Next() { return slots_[count_]; }
  void Keep();

 private:
  std::array<FaceFrame, kMost> slots_;
  std::array<size_t, kMost> order_{};
  size_t count_ = 0;
};

// Finds faces and follows them from frame to frame: the detector looks for new ones every few frames, the last mesh
// tells where to look next, and boxes are associated by overlap. The mesh runs on every spec::face::mesh_every-th frame
// only: a frame in between waits for the next mesh and takes the points halfway.
class FaceFinder {
 public:
  // The networks outlive the finder; it follows `max_faces` at once.
  FaceFinder(Network* detector, Network* mesh, size_t max_faces)
      : detector_(detector), mesh_(mesh), max_faces_(max_faces) {}

  // Looks at the next frame, which is first shown at grid cell `index`. When `waits` is set its faces come with the
  // next call, in its `waited`, and until then the image must stay as it is. Never waits twice in a row.
  Status Update(const Image& image, int64_t index, FaceList* waited, FaceList* faces, bool* waits);
  // Faces of the frame that waits, if one does, without waiting any longer.
  Status Settle(FaceList* waited);
  // How often a face was seen but too small to judge.
  int64_t small_faces() const { return small_faces_; }

 private:
  struct Track {
    int32_t id = 0;
    int lost = 0;
    MeshPoints points{};
    MeshRegion region;  // where these were found
    FaceBox bounds;
    Similarity similarity;
    bool smoothed = false;
  };

  static constexpr size_t kWidestInput = std::max(spec::face::detector_px, spec::face::mesh_px);

  Status Detect(const Image& image);
  // Runs the mesh on a region; `found` is false when the network sees no face there.
  Status FitMesh(const Image& image, const MeshRegion& region, MeshPoints* points, bool* found);
  Status Follow(const Image& image, Track* track);
  Status AddNewTracks(const Image& image);
  void DropStaleTracks();
  bool MayWait(int64_t index) const;
  // Points of `track` in the frame that waits: halfway from its earlier mesh, or meshed there after a cut or a loss.
  Status PointsBetween(const Track& track, const MeshPoints& earlier, int64_t index, MeshPoints* points, bool* found);
  void ObserveWaiting(const MeshPoints& points, Track* track, FaceList* faces);
  void Observe(const Image& image, Track* track, FaceList* faces);
  template <typename Predicate>
  bool AnyTrack(Predicate holds) const {
    return std::any_of(tracks_.begin(), tracks_.begin() + track_count_, holds);
  }

  Network* const detector_;
  Network* const mesh_;
  const size_t max_faces_;
  std::array<Track, FaceList::kMost> tracks_;
  size_t track_count_ = 0;
  FaceBoxes boxes_;  // of the last detection, in this frame
  size_t box_count_ = 0;
  std::array<FaceBox, kAnchors> candidates_;
  std::array<Level, 3 * kWidestInput * kWidestInput> rgb_;
  Image waiting_;
  bool waits_ = false;
  int64_t waiting_index_ = 0, meshed_index_ = 0;
  int64_t frames_ = 0, detected_frame_ = 0;
  int64_t small_faces_ = 0;
  int32_t next_id_ = 0;
};

}  // namespace avg
