// SPDX-License-Identifier: Apache-2.0
import AVFoundation
import Avguard

/// A file, decoded by AVFoundation, pushed on the file's own timestamps.
struct ClipReader {
    private static let roundingUpS = 5.0

    let file: URL

    /// Judges the whole clip; answers the verdict's JSON. `looked` hears of every picture that was pushed.
    func judge(_ model: Model, looked: (Session, Frame) throws -> Void) async throws -> Data {
        let asset = AVURLAsset(url: file)
        let video = try await asset.loadTracks(withMediaType: .video).first
        let audio = try await asset.loadTracks(withMediaType: .audio).first
        guard video != nil || audio != nil else { throw CocoaError(.fileReadCorruptFile) }
        var options = ClipOptions()
        options.video = video != nil
        options.audio = audio != nil
        options.maxDurationS = max(600, Int(try await asset.load(.duration).seconds + Self.roundingUpS))
        var turn = CGAffineTransform.identity
        if let video {
            let size = try await video.load(.naturalSize)
            options.maxFramePixels = Int((size.width + 1) * (size.height + 1))
            turn = try await video.load(.preferredTransform)
        }
        let reader = try AVAssetReader(asset: asset)
        let pictures = video.map { AVAssetReaderTrackOutput(track: $0, outputSettings: Self.nv12) }
        let sounds = audio.map { AVAssetReaderTrackOutput(track: $0, outputSettings: Self.pcm) }
        for output in [pictures, sounds].compactMap({ $0 }) {
            output.alwaysCopiesSampleData = false
            reader.add(output)
        }
        guard reader.startReading() else { throw reader.error ?? CocoaError(.fileReadCorruptFile) }
        let session = try Session(model, options)
        try push(session, pictures, sounds, degrees(turn), looked)
        if reader.status == .failed { throw reader.error ?? CocoaError(.fileReadCorruptFile) }
        return try session.finish()
    }

    private static let nv12: [String: Any] = [
        kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange
    ]
    private static let pcm: [String: Any] = [
        AVFormatIDKey: kAudioFormatLinearPCM, AVLinearPCMBitDepthKey: 32, AVLinearPCMIsFloatKey: true,
        AVLinearPCMIsNonInterleaved: false, AVLinearPCMIsBigEndianKey: false,
    ]

    private func degrees(_ turn: CGAffineTransform) -> Int32 {
        let quarter = Int32((atan2(turn.b, turn.a) / (.pi / 2)).rounded())
        return (quarter + 4) % 4 * 90
    }

    /// Whichever is behind goes first: neither may lag two seconds.
    private func push(
        _ session: Session, _ pictures: AVAssetReaderTrackOutput?, _ sounds: AVAssetReaderTrackOutput?,
        _ rotationDeg: Int32, _ looked: (Session, Frame) throws -> Void
    ) throws {
        var picture = pictures?.copyNextSampleBuffer()
        var sound = sounds?.copyNextSampleBuffer()
        while picture != nil || sound != nil {
            let first = sound.map { next in
                picture.map { $0.presentationTimeStamp <= next.presentationTimeStamp } ?? false
            }
            if let now = picture, first ?? true {
                if let pixels = CMSampleBufferGetImageBuffer(now) {
                    var frame = Frame(pixels: pixels, time: now.presentationTimeStamp)
                    frame.rotationDeg = rotationDeg
                    try session.push(frame)
                    try looked(session, frame)
                }
                picture = pictures?.copyNextSampleBuffer()
            } else if let now = sound {
                try session.push(now)
                sound = sounds?.copyNextSampleBuffer()
            }
        }
    }
}
