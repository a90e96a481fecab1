// SPDX-License-Identifier: Apache-2.0
import CAvguard
import CoreML
import Foundation

/// The tensors that avguard asks a program for, by name.
struct Asked {
    let inputs: UnsafeBufferPointer<avg_tensor>
    let outputs: UnsafeBufferPointer<avg_tensor>

    static func name(_ tensor: avg_tensor) -> String { String(cString: tensor.name) }

    static func shape(_ tensor: avg_tensor) -> [NSNumber] {
        withUnsafeBytes(of: tensor.shape) { bytes in
            bytes.bindMemory(to: Int32.self).prefix(Int(tensor.rank)).map { NSNumber(value: $0) }
        }
    }
}

/// One instance of a program. It reads and writes the session's own memory: nothing is copied where CoreML agrees.
final class CoreMLNetwork {
    private let program: MLModel
    private let inputCount: Int
    private let outputCount: Int
    private var features: MLDictionaryFeatureProvider?
    private var results: [String: MLMultiArray] = [:]
    private let options = MLPredictionOptions()

    /// Throws when the program's inputs or outputs are not float32 arrays of the names and shapes asked for.
    init(_ program: MLModel, asked: Asked) throws {
        self.program = program
        inputCount = asked.inputs.count
        outputCount = asked.outputs.count
        let described = program.modelDescription
        try Self.compare(asked.inputs, described.inputDescriptionsByName)
        try Self.compare(asked.outputs, described.outputDescriptionsByName)
    }

    private static func compare(
        _ asked: UnsafeBufferPointer<avg_tensor>, _ described: [String: MLFeatureDescription]
    ) throws {
        for tensor in asked {
            let name = Asked.name(tensor)
            let found = described[name]?.multiArrayConstraint
            guard let found, found.dataType == .float32, found.shape == Asked.shape(tensor) else {
                throw AvguardError(AVG_ENGINE_ERROR, "the program has no float32 array \(name) of \(Asked.shape(tensor))")
            }
        }
    }

    func run(_ inputs: UnsafePointer<avg_tensor>, _ outputs: UnsafePointer<avg_tensor>) throws {
        let provider = try features ?? place(inputs, outputs)
        let answer = try program.prediction(from: provider, options: options)
        for (name, own) in results {
            guard let given = answer.featureValue(for: name)?.multiArrayValue else {
                throw AvguardError(AVG_ENGINE_ERROR, "the program gave no \(name)")
            }
            // CoreML may decline the memory it was offered.
            if given !== own { copy(given, own) }
        }
    }

    /// The pointers are the same in every run: arrays are laid over them once.
    private func place(
        _ inputs: UnsafePointer<avg_tensor>, _ outputs: UnsafePointer<avg_tensor>
    ) throws -> MLDictionaryFeatureProvider {
        var given: [String: MLMultiArray] = [:]
        for tensor in UnsafeBufferPointer(start: inputs, count: inputCount) {
            given[Asked.name(tensor)] = try Self.array(over: tensor)
        }
        for tensor in UnsafeBufferPointer(start: outputs, count: outputCount) {
            results[Asked.name(tensor)] = try Self.array(over: tensor)
        }
        options.outputBackings = results
        let made = try MLDictionaryFeatureProvider(dictionary: given)
        features = made
        return made
    }

    private static func array(over tensor: avg_tensor) throws -> MLMultiArray {
        let shape = Asked.shape(tensor)
        var strides: [NSNumber] = []
        var step = 1
        for side in shape.reversed() {
            strides.insert(NSNumber(value: step), at: 0)
            step *= side.intValue
        }
        return try MLMultiArray(dataPointer: tensor.data, shape: shape, dataType: .float32, strides: strides)
    }

    private func copy(_ from: MLMultiArray, _ to: MLMultiArray) {
        to.withUnsafeMutableBytes { bytes, _ in
            let values = bytes.bindMemory(to: Float.self)
            // By index: what CoreML made may have padded strides.
            for index in 0..<from.count { values[index] = from[index].floatValue }
        }
    }
}
