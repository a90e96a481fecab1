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

// Finds faces and follows them from frame to frame: the detector looks for new ones every few frames, the mesh of the
// previous frame tells where to look in the next, and boxes are associated by overlap.
class FaceFinder {
 public:
  static Status Create(const EngineProgram& detector, const EngineProgram& mesh, std::unique_ptr<FaceFinder>* finder,
                       std::string* error);

  // Looks at the next grid frame; faces come largest first, at most spec::face::max_tracks.
  Status Update(const Image& image, std::vector<FaceFrame>* faces);
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
  FaceFrame Observe(const Image& image, Track* track);

  std::unique_ptr<Network> detector_, mesh_;
  std::vector<Track> tracks_;
  std::vector<uint8_t> rgb_;
  int64_t frames_ = 0;
  int64_t small_faces_ = 0;
  int32_t next_id_ = 0;
};

}  // namespace avg
