// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>

namespace avg {

// Elementary functions from +, -, *, / and sqrt alone, which IEEE 754 rounds in one way only: the same bits on every
// CPU and with every C library. std::exp and its like differ between them in the last bit, such a bit places a crop
// elsewhere, and int8 networks make steps of it. Within 4e-16 of the truth, relative to the larger of it and 1.
double Exp(double x);
double Log(double x);  // of a normal positive number
double Log10(double x);
double Sin(double x);  // of an angle up to 1e5 rad
double Cos(double x);
double Atan2(double y, double x);

// std::hypot without its care for numbers whose squares are too large or too small.
inline double Length(double x, double y) { return std::sqrt(x * x + y * y); }

}  // namespace avg
