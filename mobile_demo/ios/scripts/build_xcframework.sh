#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build/CAvguard.xcframework: the C++ core for phones and their simulator, without an engine (CoreML is brought by Swift).
# On macOS with Xcode 15, CMake 3.28 and Python 3.10 or newer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cpp="$PWD/../../cpp"
headers="$PWD/build/headers"
rm -rf build/CAvguard.xcframework "$headers"
mkdir -p "$headers"
cp "$cpp/include/avguard.h" include/module.modulemap "$headers/"

build() { # SDK ARCHITECTURES
  cmake -S "$cpp" -B "build/$1" -G Xcode -DCMAKE_SYSTEM_NAME=iOS -DCMAKE_OSX_DEPLOYMENT_TARGET=17.0 \
    -DCMAKE_OSX_SYSROOT="$1" -DCMAKE_OSX_ARCHITECTURES="$2" -DAVG_PYTHON=OFF -DAVG_EXECUTORCH=OFF -DAVG_LTO=OFF
  cmake --build "build/$1" --config Release --target avg_core
}
build iphoneos arm64
build iphonesimulator "arm64;x86_64"

xcodebuild -create-xcframework \
  -library build/iphoneos/Release-iphoneos/libavg_core.a -headers "$headers" \
  -library build/iphonesimulator/Release-iphonesimulator/libavg_core.a -headers "$headers" \
  -output build/CAvguard.xcframework
