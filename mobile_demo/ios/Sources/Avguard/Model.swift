// SPDX-License-Identifier: Apache-2.0
import CAvguard
import CoreML
import Foundation

/// A verified model bundle; any number of sessions and threads may use one. See avg_model_open in avguard.h.
public final class Model {
    private let engine: CoreMLEngine
    private let names: [UnsafeMutablePointer<CChar>]
    // The core borrows the bytes until the last session is gone; sessions hold the model.
    private let bytes: [NSData]
    let handle: OpaquePointer

    /// Opens the files of a bundle. Throws AvguardError when one is missing, altered or made for another version.
    public init(_ files: ModelFiles, units: MLComputeUnits = .all) throws {
        engine = CoreMLEngine(files: files, units: units)
        let listed = files.data.sorted { $0.key < $1.key }
        names = listed.map { strdup($0.key) }
        bytes = listed.map { $0.value as NSData }
        let rows = zip(names, bytes).map { avg_file(name: UnsafePointer($0), data: $1.bytes, size: $1.length) }
        var message = [CChar](repeating: 0, count: 512)
        var opened: OpaquePointer?
        var table = engine.table()
        let status = message.withUnsafeMutableBufferPointer { text in
            withUnsafePointer(to: &table) { table in
                var options = avg_model_options()
                options.struct_size = MemoryLayout<avg_model_options>.size
                options.precision = Int32(AVG_PRECISION_FLOAT.rawValue)
                options.engine = table
                options.message = text.baseAddress
                options.message_size = text.count
                return avg_model_open(rows, rows.count, &options, &opened)
            }
        }
        guard status == AVG_OK, let opened else {
            names.forEach { free($0) }
            throw AvguardError(status, String(cString: message))
        }
        handle = opened
    }

    deinit {
        var closing: OpaquePointer? = handle
        avg_model_close(&closing)
        names.forEach { free($0) }
    }
}
