// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The files that `python -m export.ios` writes, by name, in memory.
///
/// A program of CoreML is a package of three files; each lies here under its role, and avguard verifies all of them.
public struct ModelFiles {
    static let manifest = "manifest.json"
    static let selfTest = "self_test.json"
    static let packageManifest = "Manifest.json"
    static let specification = "model.mlmodel"
    static let weights = "weight.bin"
    /// What a phone needs of a bundle.
    static let roles = ["face_detector", "face_mesh", "joint_float"]

    let data: [String: Data]

    /// Maps the files in a folder. Throws what Foundation says of a missing one.
    public init(folder: URL) throws {
        var names = [Self.manifest, Self.selfTest]
        for role in Self.roles {
            names += [Self.packageManifest, Self.specification, Self.weights].map { "\(role).\($0)" }
        }
        var found: [String: Data] = [:]
        for name in names {
            found[name] = try Data(contentsOf: folder.appendingPathComponent(name), options: .alwaysMapped)
        }
        data = found
    }
}
