// SPDX-License-Identifier: Apache-2.0
#include "faces.h"

#include <algorithm>
#include <cmath>

#include "avg_spec.h"
#include "video/warp.h"

namespace avg {
namespace {

// Interleaved RGB bytes to planar floats: out = byte * scale + offset.
void ToPlanar(const std::vector<uint8_t>& rgb, size_t area, float scale, float offset, float* out) {
  for (size_t channel = 0; channel < 3; ++channel) {
    for (size_t i = 0; i < area; ++i) *out++ = static_cast<float>(rgb[3 * i + channel]) * scale + offset;
  }
}

// A jump of the crop larger than this part of the canvas is a cut or a new head position, not jitter.
constexpr double kJumpPx = spec::video::canvas_px * 0.15;

bool Jumped(const Similarity& before, const Similarity& now, const MeshPoints& points) {
  double x0, y0, x1, y1;
  before.ToAffine().Apply(points[mesh::kNoseBase][0], points[mesh::kNoseBase][1], &x0, &y0);
  now.ToAffine().Apply(points[mesh::kNoseBase][0], points[mesh::kNoseBase][1], &x1, &y1);
  return std::hypot(x1 - x0, y1 - y0) > kJumpPx;
}

MeshPoints Between(const MeshPoints& from, const MeshPoints& to, float share) {
  MeshPoints points = from;
  for (size_t i = 0; i < points.size(); ++i) {
    for (size_t axis = 0; axis < points[i].size(); ++axis) points[i][axis] += share * (to[i][axis] - from[i][axis]);
  }
  return points;
}

void LargestFirst(std::vector<FaceFrame>* faces) {
  std::stable_sort(faces->begin(), faces->end(), [](const FaceFrame& a, const FaceFrame& b) {
    return a.quality.eye_distance_px > b.quality.eye_distance_px;
  });
}

Status CheckSizes(const Network& network, size_t input, size_t first_output, size_t second_output) {
  const bool fits = network.inputs() == 1 && network.outputs() == 2 && network.input_size(0) == input &&
                    network.output_size(0) == first_output && network.output_size(1) == second_output;
  return fits ? Status::kOk : Status::kModel;
}

}  // namespace

Status FaceFinder::Create(const EngineProgram& detector, const EngineProgram& mesh, std::unique_ptr<FaceFinder>* finder,
                          std::string* error) {
  constexpr size_t kDetectorArea = spec::face::detector_px * spec::face::detector_px;
  constexpr size_t kMeshArea = spec::face::mesh_px * spec::face::mesh_px;
  std::unique_ptr<FaceFinder> created(new FaceFinder());
  Status status = detector.CreateNetwork(&created->detector_, error);
  if (status == Status::kOk) status = mesh.CreateNetwork(&created->mesh_, error);
  if (status != Status::kOk) return status;
  if (CheckSizes(*created->detector_, 3 * kDetectorArea, kAnchors * kRegressorsPerAnchor, kAnchors) != Status::kOk ||
      CheckSizes(*created->mesh_, 3 * kMeshArea, 3 * kMeshPoints, 1) != Status::kOk) {
    *error = "the face models have other inputs or outputs than this build expects";
    return Status::kModel;
  }
  created->rgb_.resize(3 * std::max(kDetectorArea, kMeshArea));
  *finder = std::move(created);
  return Status::kOk;
}

Status FaceFinder::Detect(const Image& image, std::vector<FaceBox>* boxes) {
  constexpr int kSide = spec::face::detector_px;
  const Affine to_upright = DetectorToUpright(image.upright_width(), image.upright_height());
  WarpToRgb(image, to_upright, kSide, kSide, Border::kBlack, rgb_.data());
  ToPlanar(rgb_, static_cast<size_t>(kSide) * kSide, 1 / 127.5f, -1.0f, detector_->input(0));
  const Status status = detector_->Run();
  if (status == Status::kOk) *boxes = DecodeFaces(detector_->output(0), detector_->output(1), to_upright);
  return status;
}

Status FaceFinder::FitMesh(const Image& image, const MeshRegion& region, MeshPoints* points, bool* found) {
  constexpr int kSide = spec::face::mesh_px;
  *found = false;
  if (!(region.side > 1)) return Status::kOk;
  const Affine to_upright = RegionToUpright(region);
  WarpToRgb(image, to_upright, kSide, kSide, Border::kReplicate, rgb_.data());
  ToPlanar(rgb_, static_cast<size_t>(kSide) * kSide, 1 / 255.0f, 0.0f, mesh_->input(0));
  const Status status = mesh_->Run();
  if (status != Status::kOk) return status;
  const float presence = 1 / (1 + std::exp(-mesh_->output(1)[0]));
  *found = presence >= spec::face::mesh_threshold;
  if (*found) *points = MapMesh(mesh_->output(0), to_upright);
  return Status::kOk;
}

Status FaceFinder::Follow(const Image& image, const std::vector<FaceBox>& boxes, Track* track) {
  bool found = false;
  Status status = FitMesh(image, RegionFromPoints(track->points), &track->points, &found);
  for (size_t i = 0; i < boxes.size() && !found && status == Status::kOk; ++i) {
    if (Overlap(boxes[i], track->bounds) < spec::face::track_overlap) continue;
    status = FitMesh(image, RegionFromBox(boxes[i]), &track->points, &found);
  }
  if (found) track->bounds = BoundsOf(track->points);
  track->lost = found ? 0 : track->lost + 1;
  if (!found) track->smoothed = false;
  return status;
}

Status FaceFinder::AddNewTracks(const Image& image, const std::vector<FaceBox>& boxes) {
  for (const FaceBox& box : boxes) {
    if (tracks_.size() >= spec::face::max_tracks) break;
    const bool known = std::any_of(tracks_.begin(), tracks_.end(), [&](const Track& track) {
      return Overlap(box, track.bounds) >= spec::face::track_overlap;
    });
    if (known) continue;
    Track track;
    bool found = false;
    const Status status = FitMesh(image, RegionFromBox(box), &track.points, &found);
    if (status != Status::kOk) return status;
    if (!found) continue;
    // The first region comes from a coarse box: look again where the mesh itself says the face is.
    const Status again = FitMesh(image, RegionFromPoints(track.points), &track.points, &found);
    if (again != Status::kOk) return again;
    track.bounds = BoundsOf(track.points);
    track.id = next_id_++;
    tracks_.push_back(track);
  }
  return Status::kOk;
}

void FaceFinder::DropStaleTracks() {
  std::vector<Track> kept;
  for (const Track& track : tracks_) {
    const bool twin = std::any_of(kept.begin(), kept.end(), [&](const Track& older) {
      return Overlap(older.bounds, track.bounds) > 0.5f && older.lost == 0;
    });
    if (!twin && track.lost <= spec::face::track_lost_frames) kept.push_back(track);
  }
  tracks_.swap(kept);
}

void FaceFinder::Observe(const Image& image, Track* track, std::vector<FaceFrame>* faces) {
  const Similarity fit = FitCanvas(track->points);
  const bool smooth = track->smoothed && !Jumped(track->similarity, fit, track->points);
  track->similarity = smooth ? Smooth(track->similarity, fit) : fit;
  track->smoothed = true;
  FaceFrame face;
  face.track = track->id;
  face.box = track->bounds;
  face.pose = PoseOf(track->points);
  face.canvas_points = ToCanvas(track->points, track->similarity);
  constexpr int kSide = spec::video::canvas_px;
  face.canvas.resize(3 * static_cast<size_t>(kSide) * kSide);
  WarpToRgb(image, Invert(track->similarity.ToAffine()), kSide, kSide, Border::kReplicate, face.canvas.data());
  face.quality = MeasureQuality(track->points, face.canvas.data());
  if (face.quality.eye_distance_px < spec::face::minimum_eye_distance_px) {
    ++small_faces_;
  } else {
    faces->push_back(std::move(face));
  }
}

bool FaceFinder::MayWait(int64_t index) const {
  static_assert(spec::face::mesh_every == 1 || spec::face::mesh_every == 2,
                "one frame at most waits for the next mesh");
  // Frames further apart than a cell move too much to be guessed, and are few anyway.
  if (spec::face::mesh_every == 1 || waits_ || tracks_.empty() || index != meshed_index_ + 1) return false;
  return std::all_of(tracks_.begin(), tracks_.end(), [](const Track& track) { return track.lost == 0; });
}

Status FaceFinder::PointsBetween(const Track& track, const MeshPoints& earlier, int64_t index, MeshPoints* points,
                                 bool* found) {
  *found = track.lost == 0 && index - waiting_index_ <= spec::face::mesh_every &&
           !Jumped(FitCanvas(earlier), FitCanvas(track.points), track.points);
  if (!*found) return FitMesh(waiting_, RegionFromPoints(earlier), points, found);
  const auto share = static_cast<float>(waiting_index_ - meshed_index_) / static_cast<float>(index - meshed_index_);
  *points = Between(earlier, track.points, share);
  return Status::kOk;
}

void FaceFinder::ObserveWaiting(const MeshPoints& points, Track* track, std::vector<FaceFrame>* faces) {
  const MeshPoints now = track->points;
  const FaceBox bounds = track->bounds;
  track->points = points;
  track->bounds = BoundsOf(points);
  Observe(waiting_, track, faces);
  track->points = now;
  track->bounds = bounds;
  if (track->lost > 0) track->smoothed = false;
}

Status FaceFinder::Settle(std::vector<FaceFrame>* waited) {
  waited->clear();
  if (!waits_) return Status::kOk;
  waits_ = false;
  meshed_index_ = waiting_index_;
  Status status = Status::kOk;
  for (size_t i = 0; i < tracks_.size() && status == Status::kOk; ++i) status = Follow(waiting_, {}, &tracks_[i]);
  for (Track& track : tracks_) {
    if (track.lost == 0) Observe(waiting_, &track, waited);
  }
  LargestFirst(waited);
  return status;
}

Status FaceFinder::Update(const Image& image, int64_t index, std::vector<FaceFrame>* waited,
                          std::vector<FaceFrame>* faces, bool* waits) {
  waited->clear();
  faces->clear();
  *waits = MayWait(index);
  ++frames_;
  if (*waits) {
    waits_ = true;
    waiting_ = image;
    waiting_index_ = index;
    return Status::kOk;
  }
  const bool lost = std::any_of(tracks_.begin(), tracks_.end(), [](const Track& track) { return track.lost > 0; });
  std::vector<FaceBox> boxes;
  Status status = Status::kOk;
  if (tracks_.empty() || lost || frames_ - detected_frame_ >= spec::face::detector_every) {
    status = Detect(image, &boxes);
    detected_frame_ = frames_;
  }
  for (size_t i = 0; i < tracks_.size() && status == Status::kOk; ++i) {
    Track& track = tracks_[i];
    const MeshPoints earlier = track.points;
    status = Follow(image, boxes, &track);
    MeshPoints between{};
    bool found = false;
    if (status == Status::kOk && waits_) status = PointsBetween(track, earlier, index, &between, &found);
    if (found) ObserveWaiting(between, &track, waited);
  }
  waits_ = false;
  meshed_index_ = index;
  DropStaleTracks();
  if (status == Status::kOk) status = AddNewTracks(image, boxes);
  if (status != Status::kOk) return status;
  for (Track& track : tracks_) {
    if (track.lost == 0) Observe(image, &track, faces);
  }
  LargestFirst(waited);
  LargestFirst(faces);
  return Status::kOk;
}

}  // namespace avg
