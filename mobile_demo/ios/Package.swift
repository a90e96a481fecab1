// swift-tools-version: 5.9
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let package = Package(
    name: "Avguard",
    platforms: [.iOS(.v17)],
    products: [.library(name: "Avguard", targets: ["Avguard"])],
    targets: [
        // scripts/build_xcframework.sh makes it from cpp/.
        .binaryTarget(name: "CAvguard", path: "build/CAvguard.xcframework"),
        .target(name: "Avguard", dependencies: ["CAvguard"], linkerSettings: [.linkedLibrary("c++")]),
    ]
)
