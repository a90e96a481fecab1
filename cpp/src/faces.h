// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "face/align.h"
#include "face/detector.h"
#include "face/mesh.h"
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
  std::vector<uint8_t> canvas;  // (canvas_px, canvas_px, 3) RGB
};

// Finds faces and follows them from frame to frame: the detector looks for new ones every few frames, the last mesh
// tells where to look next, and boxes are associated by overlap. The mesh runs on every spec::face::mesh_every-th frame
// only: a frame in between waits for the next mesh and takes the points halfway.
class FaceFinder {
 public:
  static Status Create(const EngineProgram& detector, const EngineProgram& mesh, std::unique_ptr<FaceFinder>* finder,
                       std::string* error);

  // Looks at the next frame, which is first shown at grid cell `index`. Faces come largest first, at most
  // spec::face::max_tracks. When `waits` is set they come with the next call, in its `waited`, and until then the
  // image must stay as it is. Never waits twice in a row.
  Status Update(const Image& image, int64_t index, std::vector<FaceFrame>* waited, std::vector<FaceFrame>* faces,
                bool* waits);
  // Faces of the frame that waits, if one does, without waiting any longer.
  Status Settle(std::vector<FaceFrame>* waited);
  // How often a face was seen but too small to judge.
  int64_t small_faces() const { return small_faces_; }

 private:
  struct Track {
    int32_t id = 0;
    int lost = 0;
    MeshPoints points{};
    FaceBox bounds;
    Similarity similarity;
    bool smoothed = false;
  };

  FaceFinder() = default;
  Status Detect(const Image& image, std::vector<FaceBox>* boxes);
  // Runs the mesh on a region; `found` is false when the network sees no face there.
  Status FitMesh(const Image& image, const MeshRegion& region, MeshPoints* points, bool* found);
  Status Follow(const Image& image, const std::vector<FaceBox>& boxes, Track* track);
  Status AddNewTracks(const Image& image, const std::vector<FaceBox>& boxes);
  void DropStaleTracks();
  bool MayWait(int64_t index) const;
  // Points of `track` in the frame that waits: halfway from its earlier mesh, or meshed there after a cut or a loss.
  Status PointsBetween(const Track& track, const MeshPoints& earlier, int64_t index, MeshPoints* points, bool* found);
  void ObserveWaiting(const MeshPoints& points, Track* track, std::vector<FaceFrame>* faces);
  void Observe(const Image& image, Track* track, std::vector<FaceFrame>* faces);

  std::unique_ptr<Network> detector_, mesh_;
  std::vector<Track> tracks_;
  std::vector<uint8_t> rgb_;
  Image waiting_;
  bool waits_ = false;
  int64_t waiting_index_ = 0, meshed_index_ = 0;
  int64_t frames_ = 0, detected_frame_ = 0;
  int64_t small_faces_ = 0;
  int32_t next_id_ = 0;
};

}  // namespace avg
