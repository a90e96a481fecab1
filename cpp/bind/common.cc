// SPDX-License-Identifier: Apache-2.0
#include <new>

#include "bind.h"

namespace py = pybind11;

namespace {

const char* ErrorClass(avg::Status status) {
  switch (status) {
    case avg::Status::kModel:
      return "ModelError";
    case avg::Status::kEngine:
      return "EngineError";
    case avg::Status::kLimit:
      return "LimitError";
    case avg::Status::kInvalidArgument:
    case avg::Status::kWrongOrder:
      return "UsageError";
    default:
      return "AvguardError";
  }
}

avg::PixelFormat FormatOf(const std::string& name) {
  if (name == "i420") return avg::PixelFormat::kI420;
  if (name == "nv12") return avg::PixelFormat::kNv12;
  if (name == "nv21") return avg::PixelFormat::kNv21;
  if (name == "rgb24") return avg::PixelFormat::kRgb24;
  if (name == "bgra") return avg::PixelFormat::kBgra;
  if (name == "rgba") return avg::PixelFormat::kRgba;
  if (name == "gray8") return avg::PixelFormat::kGray8;
  RaiseUsage("pixel format '" + name + "' is not one of i420, nv12, nv21, rgb24, bgra, rgba, gray8");
}

avg::ColorMatrix MatrixOf(const std::string& name) {
  if (name == "bt601") return avg::ColorMatrix::kBt601;
  if (name == "bt709") return avg::ColorMatrix::kBt709;
  if (name == "bt2020") return avg::ColorMatrix::kBt2020;
  RaiseUsage("colour matrix '" + name + "' is not one of bt601, bt709, bt2020");
}

}  // namespace

void Raise(avg::Status status, const std::string& message) {
  if (status == avg::Status::kNoMemory) throw std::bad_alloc();
  const py::object error = py::module_::import("avguard.errors").attr(ErrorClass(status));
  // A message may quote bytes of a broken program.
  const auto size = static_cast<Py_ssize_t>(message.size());
  const auto text = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(message.data(), size, "replace"));
  PyErr_SetObject(error.ptr(), text.ptr());
  throw py::error_already_set();
}

void RaiseUsage(const std::string& message) { Raise(avg::Status::kInvalidArgument, message); }

avg::Image ImageOf(const py::sequence& planes, const std::string& format, int32_t width, int32_t height,
                   bool full_range, const std::string& matrix, int32_t rotation_deg, bool mirrored) {
  avg::Image image;
  image.format = FormatOf(format);
  image.matrix = MatrixOf(matrix);
  image.full_range = full_range;
  image.rotation_deg = rotation_deg;
  image.mirrored = mirrored;
  image.width = width;
  image.height = height;
  const int count = avg::PlaneCount(image.format);
  if (width < 1 || height < 1) RaiseUsage("a frame's width and height must be positive");
  if (static_cast<int>(planes.size()) != count) {
    RaiseUsage(format + " has " + std::to_string(count) + " planes, got " + std::to_string(planes.size()));
  }
  for (int i = 0; i < count; ++i) {
    const auto plane = py::reinterpret_borrow<py::object>(planes[static_cast<size_t>(i)]);
    if (!py::isinstance<py::array_t<uint8_t>>(plane))
      RaiseUsage("plane " + std::to_string(i) + " is not a uint8 array");
    const auto array = py::reinterpret_borrow<py::array>(plane);
    if (array.ndim() < 2) RaiseUsage("plane " + std::to_string(i) + " needs at least 2 dimensions");
    ptrdiff_t packed = 1;
    for (py::ssize_t axis = array.ndim() - 1; axis >= 1; --axis) {
      // NumPy gives axes of length 1 any stride.
      if (array.shape(axis) > 1 && array.strides(axis) != packed) {
        RaiseUsage("pixels of plane " + std::to_string(i) + " are not contiguous in a row");
      }
      packed *= array.shape(axis);
    }
    if (array.shape(0) < avg::PlaneRows(image, i) || packed < static_cast<ptrdiff_t>(avg::RowBytes(image, i))) {
      RaiseUsage("plane " + std::to_string(i) + " is smaller than a " + std::to_string(width) + "x" +
                 std::to_string(height) + " " + format + " frame needs");
    }
    image.plane[i] = static_cast<const uint8_t*>(array.data());
    image.stride[i] = array.shape(0) > 1 ? array.strides(0) : packed;
  }
  const avg::Status status = avg::Validate(image);
  if (status != avg::Status::kOk) Raise(status, "the frame's size, strides or rotation are impossible");
  return image;
}
