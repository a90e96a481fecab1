// SPDX-License-Identifier: Apache-2.0
import CAvguard
import CoreMedia
import Foundation

extension CMSampleBuffer {
    /// The samples as avguard takes them; valid inside the body.
    func withSamples(_ body: (avg_audio) throws -> Void) throws {
        guard let description = CMSampleBufferGetFormatDescription(self),
            let format = CMAudioFormatDescriptionGetStreamBasicDescription(description)?.pointee
        else { throw AvguardError(AVG_UNSUPPORTED, "the sample buffer says nothing of its sound") }
        let float = format.mFormatFlags & kAudioFormatFlagIsFloat != 0 && format.mBitsPerChannel == 32
        let whole = format.mFormatFlags & kAudioFormatFlagIsSignedInteger != 0 && format.mBitsPerChannel == 16
        let interleaved =
            format.mFormatFlags & kAudioFormatFlagIsNonInterleaved == 0 || format.mChannelsPerFrame == 1
        guard format.mFormatID == kAudioFormatLinearPCM, float || whole, interleaved else {
            throw AvguardError(AVG_UNSUPPORTED, "the sound is no interleaved PCM of float or 16-bit integers")
        }
        guard let block = CMSampleBufferGetDataBuffer(self) else { return }
        var length = 0
        var data: UnsafeMutablePointer<CChar>?
        let status = CMBlockBufferGetDataPointer(
            block, atOffset: 0, lengthAtOffsetOut: nil, totalLengthOut: &length, dataPointerOut: &data)
        guard status == kCMBlockBufferNoErr, CMBlockBufferIsRangeContiguous(block, atOffset: 0, length: length) else {
            throw AvguardError(AVG_UNSUPPORTED, "the sound does not lie in one piece")
        }
        var row = avg_audio()
        row.struct_size = MemoryLayout<avg_audio>.size
        row.t_us = CMSampleBufferGetPresentationTimeStamp(self).microseconds
        row.format = Int32((float ? AVG_F32 : AVG_S16).rawValue)
        row.channels = Int32(format.mChannelsPerFrame)
        row.rate_hz = Int32(format.mSampleRate)
        row.samples = UnsafeRawPointer(data)
        row.count = CMSampleBufferGetNumSamples(self)
        try body(row)
    }
}
