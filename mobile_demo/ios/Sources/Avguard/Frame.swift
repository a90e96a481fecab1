// SPDX-License-Identifier: Apache-2.0
import CAvguard
import CoreMedia
import CoreVideo
import Foundation

/// A picture as AVFoundation's readers and cameras give it: NV12, in a pixel buffer.
public struct Frame {
    public let pixels: CVPixelBuffer
    public let time: CMTime
    /// Clockwise turn that makes it upright: 0, 90, 180, 270.
    public var rotationDeg: Int32 = 0
    /// Stored flipped left to right, before the rotation.
    public var mirrored = false

    private static let hdHeightPx = 720

    public init(pixels: CVPixelBuffer, time: CMTime) {
        self.pixels = pixels
        self.time = time
    }

    func withPlanes(_ body: (avg_frame) throws -> Void) throws {
        CVPixelBufferLockBaseAddress(pixels, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(pixels, .readOnly) }
        let format = CVPixelBufferGetPixelFormatType(pixels)
        let full = format == kCVPixelFormatType_420YpCbCr8BiPlanarFullRange
        guard full || format == kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange else {
            throw AvguardError(AVG_UNSUPPORTED, "the pictures are not 8-bit NV12; ask AVFoundation for that")
        }
        var row = avg_frame()
        row.struct_size = MemoryLayout<avg_frame>.size
        row.t_us = time.microseconds
        row.format = Int32(AVG_NV12.rawValue)
        row.matrix = Int32(matrix.rawValue)
        row.full_range = full ? 1 : 0
        row.mirrored = mirrored ? 1 : 0
        row.rotation_deg = rotationDeg
        row.width = Int32(CVPixelBufferGetWidth(pixels))
        row.height = Int32(CVPixelBufferGetHeight(pixels))
        row.plane.0 = plane(0)
        row.plane.1 = plane(1)
        row.stride.0 = CVPixelBufferGetBytesPerRowOfPlane(pixels, 0)
        row.stride.1 = CVPixelBufferGetBytesPerRowOfPlane(pixels, 1)
        try body(row)
    }

    private func plane(_ index: Int) -> UnsafePointer<UInt8>? {
        CVPixelBufferGetBaseAddressOfPlane(pixels, index).map { UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) }
    }

    /// What the buffer says of its colours; where it says nothing, what players take for the size.
    private var matrix: avg_color_matrix {
        let said = CVBufferCopyAttachment(pixels, kCVImageBufferYCbCrMatrixKey, nil) as? String
        switch said {
        case String(kCVImageBufferYCbCrMatrix_ITU_R_2020): return AVG_BT2020
        case String(kCVImageBufferYCbCrMatrix_ITU_R_709_2): return AVG_BT709
        case String(kCVImageBufferYCbCrMatrix_ITU_R_601_4): return AVG_BT601
        default:
            let smaller = min(CVPixelBufferGetWidth(pixels), CVPixelBufferGetHeight(pixels))
            return smaller >= Self.hdHeightPx ? AVG_BT709 : AVG_BT601
        }
    }
}

extension CMTime {
    /// On the same clock, rounded.
    public var microseconds: Int64 {
        CMTimeConvertScale(self, timescale: 1_000_000, method: .roundHalfAwayFromZero).value
    }
}
