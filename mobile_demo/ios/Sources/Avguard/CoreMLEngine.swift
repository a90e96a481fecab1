// SPDX-License-Identifier: Apache-2.0
import CAvguard
import CoreML
import Foundation

/// avguard.h's engine table on CoreML: loads each program once, and serves a network of it to every session.
final class CoreMLEngine {
    /// As the bundle's manifest names the runtime.
    static let name = "coreml"
    /// CoreML's specification, as iOS 17 reads it.
    static let specificationVersion = "8"

    private let files: ModelFiles
    private let units: MLComputeUnits
    private let lock = NSLock()
    private var programs: [String: MLModel] = [:]
    private let nameText = strdup(CoreMLEngine.name)
    private let versionText = strdup(CoreMLEngine.specificationVersion)

    init(files: ModelFiles, units: MLComputeUnits) {
        self.files = files
        self.units = units
    }

    deinit {
        free(nameText)
        free(versionText)
    }

    /// The table; this object must outlive the model that is opened with it.
    func table() -> avg_engine {
        var table = avg_engine()
        table.struct_size = MemoryLayout<avg_engine>.size
        table.name = UnsafePointer(nameText)
        table.version = UnsafePointer(versionText)
        table.context = Unmanaged.passUnretained(self).toOpaque()
        table.load = { context, role, _, inputs, inputCount, outputs, outputCount, network in
            guard let context, let role, let inputs, let outputs, let network else { return AVG_ENGINE_ERROR }
            let engine = Unmanaged<CoreMLEngine>.fromOpaque(context).takeUnretainedValue()
            let asked = Asked(
                inputs: UnsafeBufferPointer(start: inputs, count: inputCount),
                outputs: UnsafeBufferPointer(start: outputs, count: outputCount))
            guard let made = try? engine.network(role: String(cString: role), asked: asked) else {
                return AVG_ENGINE_ERROR
            }
            network.pointee = Unmanaged.passRetained(made).toOpaque()
            return AVG_OK
        }
        table.run = { network, inputs, outputs in
            guard let network, let inputs, let outputs else { return AVG_ENGINE_ERROR }
            let held = Unmanaged<CoreMLNetwork>.fromOpaque(network).takeUnretainedValue()
            do {
                try held.run(inputs, outputs)
                return AVG_OK
            } catch {
                return AVG_ENGINE_ERROR
            }
        }
        table.close = { network in
            if let network { Unmanaged<CoreMLNetwork>.fromOpaque(network).release() }
        }
        return table
    }

    private func network(role: String, asked: Asked) throws -> CoreMLNetwork {
        lock.lock()
        defer { lock.unlock() }
        let program = try programs[role] ?? open(role)
        programs[role] = program
        return try CoreMLNetwork(program, asked: asked)
    }

    /// Lays the verified bytes out as the package they came from, and has CoreML compile that.
    private func open(_ role: String) throws -> MLModel {
        let manager = FileManager.default
        let package = manager.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).mlpackage")
        defer { try? manager.removeItem(at: package) }
        let inside = package.appendingPathComponent("Data/com.apple.CoreML")
        try manager.createDirectory(at: inside.appendingPathComponent("weights"), withIntermediateDirectories: true)
        let places = [
            ModelFiles.packageManifest: package.appendingPathComponent(ModelFiles.packageManifest),
            ModelFiles.specification: inside.appendingPathComponent(ModelFiles.specification),
            ModelFiles.weights: inside.appendingPathComponent("weights/\(ModelFiles.weights)"),
        ]
        for (part, place) in places {
            guard let data = files.data["\(role).\(part)"] else { throw CocoaError(.fileNoSuchFile) }
            try data.write(to: place)
        }
        let compiled = try MLModel.compileModel(at: package)
        defer { try? manager.removeItem(at: compiled) }
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units
        return try MLModel(contentsOf: compiled, configuration: configuration)
    }
}
