// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "status.h"
#include "video/image.h"

void bind_audio(pybind11::module_& m);
void bind_video(pybind11::module_& m);
void bind_session(pybind11::module_& m);

// Dense arrays that are taken as they are: another dtype or order is a TypeError, never a silent copy.
using Bytes = pybind11::array_t<uint8_t, pybind11::array::c_style>;
using Floats = pybind11::array_t<float, pybind11::array::c_style>;

// Raises the class of avguard.errors that stands for `status`.
[[noreturn]] void Raise(avg::Status status, const std::string& message);
[[noreturn]] void RaiseUsage(const std::string& message);

// A borrowed view of uint8 planes (rows may be padded, pixels may not). The planes must outlive the image.
avg::Image ImageOf(const pybind11::sequence& planes, const std::string& format, int32_t width, int32_t height,
                   bool full_range, const std::string& matrix, int32_t rotation_deg, bool mirrored);
