// SPDX-License-Identifier: Apache-2.0
#include "faces.h"

#include <algorithm>

#include "elementary.h"
#include "video/warp.h"

namespace avg {
namespace {

// A jump of the crop larger than this part of the canvas is a cut or a new head position, not jitter.
constexpr double kJumpPx = spec::video::canvas_px * 0.15;

bool Jumped(const Similarity& before, const Similarity& now, const MeshPoints& points) {
  double x0, y0, x1, y1;
  before.ToAffine().Apply(points[mesh::kNoseBase][0], points[mesh::kNoseBase][1], &x0, &y0);
  now.ToAffine().Apply(points[mesh::kNoseBase][0], points[mesh::kNoseBase][1], &x1, &y1);
  return Length(x1 - x0, y1 - y0) > kJumpPx;
}

MeshPoints Between(const MeshPoints& from, const MeshPoints& to, float share) {
  MeshPoints points = from;
  for (size_t i = 0; i < points.size(); ++i) {
    for (size_t axis = 0; axis < points[i].size(); ++axis) points[i][axis] += share * (to[i][axis] - from[i][axis]);
  }
  return points;
}

}  // namespace

void FaceList::Keep() {
  const auto size = [&](size_t slot) { return slots_[slot].quality.eye_distance_px; };
  size_t at = count_;
  for (; at > 0 && size(order_[at - 1]) < size(count_); --at) order_[at] = order_[at - 1];
  order_[at] = count_++;
}

Status FaceFinder::Detect(const Image& image) {
  constexpr int kSide = spec::face::detector_px;
  const Affine to_upright = DetectorToUpright(image.upright_width(), image.upright_height());
  WarpToRgb(image, to_upright, kSide, kSide, Border::kBlack, rgb_.data());
  PictureToFloats(rgb_.data(), size_t{kSide} * kSide, 1 / 127.5f, -1.0f, detector_->layout(0), detector_->input(0));
  const Status status = detector_->Run();
  if (status != Status::kOk) return status;
  box_count_ = DecodeFaces(detector_->output(0), detector_->output(1), to_upright, candidates_.data(), &boxes_);
  return Status::kOk;
}

Status FaceFinder::FitMesh(const Image& image, const MeshRegion& region, MeshPoints* points, bool* found) {
  constexpr int kSide = spec::face::mesh_px;
  *found = false;
  if (!(region.side > 1)) return Status::kOk;
  const Affine to_upright = RegionToUpright(region);
  WarpToRgb(image, to_upright, kSide, kSide, Border::kReplicate, rgb_.data());
  PictureToFloats(rgb_.data(), size_t{kSide} * kSide, 1 / 255.0f, 0.0f, mesh_->layout(0), mesh_->input(0));
  const Status status = mesh_->Run();
  if (status != Status::kOk) return status;
  const auto presence = static_cast<float>(1 / (1 + Exp(-mesh_->output(1)[0])));
  *found = presence >= spec::face::mesh_threshold;
  if (*found) *points = MapMesh(mesh_->output(0), to_upright);
  return Status::kOk;
}

Status FaceFinder::Follow(const Image& image, Track* track) {
  bool found = false;
  MeshRegion region = Steady(track->region, RegionFromPoints(track->points));
  Status status = FitMesh(image, region, &track->points, &found);
  for (size_t i = 0; i < box_count_ && !found && status == Status::kOk; ++i) {
    if (Overlap(boxes_[i], track->bounds) < spec::face::track_overlap) continue;
    region = RegionFromBox(boxes_[i]);
    status = FitMesh(image, region, &track->points, &found);
  }
  if (found) {
    track->region = region;
    track->bounds = BoundsOf(track->points);
  }
  track->lost = found ? 0 : track->lost + 1;
  if (!found) track->smoothed = false;
  return status;
}

Status FaceFinder::AddNewTracks(const Image& image) {
  for (size_t i = 0; i < box_count_ && track_count_ < max_faces_; ++i) {
    const FaceBox& box = boxes_[i];
    if (AnyTrack([&](const Track& track) { return Overlap(box, track.bounds) >= spec::face::track_overlap; })) continue;
    Track& track = tracks_[track_count_];
    track = {};
    bool found = false;
    const Status status = FitMesh(image, RegionFromBox(box), &track.points, &found);
    if (status != Status::kOk) return status;
    if (!found) continue;
    // The first region comes from a coarse box: look again where the mesh itself says the face is.
    track.region = RegionFromPoints(track.points);
    const Status again = FitMesh(image, track.region, &track.points, &found);
    if (again != Status::kOk) return again;
    track.bounds = BoundsOf(track.points);
    track.id = next_id_++;
    ++track_count_;
  }
  return Status::kOk;
}

void FaceFinder::DropStaleTracks() {
  size_t kept = 0;
  for (size_t i = 0; i < track_count_; ++i) {
    const Track& track = tracks_[i];
    const bool twin = std::any_of(tracks_.begin(), tracks_.begin() + kept, [&](const Track& older) {
      return Overlap(older.bounds, track.bounds) > 0.5f && older.lost == 0;
    });
    if (!twin && track.lost <= spec::face::track_lost_frames) tracks_[kept++] = track;
  }
  track_count_ = kept;
}

void FaceFinder::Observe(const Image& image, Track* track, FaceList* faces) {
  const Similarity fit = FitCanvas(track->points);
  const bool smooth = track->smoothed && !Jumped(track->similarity, fit, track->points);
  track->similarity = smooth ? Smooth(track->similarity, fit) : fit;
  track->smoothed = true;
  FaceFrame& face = faces->Next();
  face.track = track->id;
  face.box = track->bounds;
  face.pose = PoseOf(track->points);
  face.canvas_points = ToCanvas(track->points, track->similarity);
  constexpr int kSide = spec::video::canvas_px;
  WarpToRgb(image, Invert(track->similarity.ToAffine()), kSide, kSide, Border::kReplicate, face.canvas.data());
  face.quality = MeasureQuality(track->points, face.canvas.data());
  if (face.quality.eye_distance_px < spec::face::minimum_eye_distance_px) {
    ++small_faces_;
  } else {
    faces->Keep();
  }
}

bool FaceFinder::MayWait(int64_t index) const {
  static_assert(spec::face::mesh_every == 1 || spec::face::mesh_every == 2,
                "one frame at most waits for the next mesh");
  // Frames further apart than a cell move too much to be guessed, and are few anyway.
  if (spec::face::mesh_every == 1 || waits_ || track_count_ == 0 || index != meshed_index_ + 1) return false;
  return !AnyTrack([](const Track& track) { return track.lost > 0; });
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

void FaceFinder::ObserveWaiting(const MeshPoints& points, Track* track, FaceList* faces) {
  const MeshPoints now = track->points;
  const FaceBox bounds = track->bounds;
  track->points = points;
  track->bounds = BoundsOf(points);
  Observe(waiting_, track, faces);
  track->points = now;
  track->bounds = bounds;
  if (track->lost > 0) track->smoothed = false;
}

Status FaceFinder::Settle(FaceList* waited) {
  waited->Clear();
  if (!waits_) return Status::kOk;
  waits_ = false;
  meshed_index_ = waiting_index_;
  box_count_ = 0;
  for (size_t i = 0; i < track_count_; ++i) {
    const Status status = Follow(waiting_, &tracks_[i]);
    if (status != Status::kOk) return status;
  }
  for (size_t i = 0; i < track_count_; ++i) {
    if (tracks_[i].lost == 0) Observe(waiting_, &tracks_[i], waited);
  }
  return Status::kOk;
}

Status FaceFinder::Update(const Image& image, int64_t index, FaceList* waited, FaceList* faces, bool* waits) {
  waited->Clear();
  faces->Clear();
  *waits = MayWait(index);
  ++frames_;
  if (*waits) {
    waits_ = true;
    waiting_ = image;
    waiting_index_ = index;
    return Status::kOk;
  }
  box_count_ = 0;
  Status status = Status::kOk;
  const bool lost = AnyTrack([](const Track& track) { return track.lost > 0; });
  if (track_count_ == 0 || lost || frames_ - detected_frame_ >= spec::face::detector_every) {
    status = Detect(image);
    detected_frame_ = frames_;
  }
  for (size_t i = 0; i < track_count_ && status == Status::kOk; ++i) {
    Track& track = tracks_[i];
    const MeshPoints earlier = track.points;
    status = Follow(image, &track);
    MeshPoints between{};
    bool found = false;
    if (status == Status::kOk && waits_) status = PointsBetween(track, earlier, index, &between, &found);
    if (found) ObserveWaiting(between, &track, waited);
  }
  waits_ = false;
  meshed_index_ = index;
  DropStaleTracks();
  if (status == Status::kOk) status = AddNewTracks(image);
  if (status != Status::kOk) return status;
  for (size_t i = 0; i < track_count_; ++i) {
    if (tracks_[i].lost == 0) Observe(image, &tracks_[i], faces);
  }
  return Status::kOk;
}

}  // namespace avg
