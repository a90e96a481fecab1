// SPDX-License-Identifier: Apache-2.0
import CAvguard
import CoreMedia
import Foundation

/// What a clip will bring.
public struct ClipOptions {
    public var video = true
    public var audio = true
    /// Longest clip, 1 to 86400.
    public var maxDurationS = 600
    /// Largest frame, in pixels.
    public var maxFramePixels = 1920 * 1080

    public init() {}
}

/// A window that was scored: probabilities for video, audio, sync and desync, NaN where nothing was judged.
public struct ScoredWindow {
    public let startUs: Int64
    public let endUs: Int64
    public let scores: [Double]
}

/// A face for drawing: bounds in pixels of the upright frame.
public struct Face {
    public let bounds: CGRect
    public let tUs: Int64
}

/// One clip: frames and sound in, events and a verdict out. Calls of several threads wait for each other.
///
/// Picture and sound may come in any order as long as neither lags two seconds behind the other.
public final class Session {
    private let model: Model
    private let memory: UnsafeMutableRawPointer
    private let handle: OpaquePointer
    private let lock = NSLock()

    public init(_ model: Model, _ clip: ClipOptions = ClipOptions()) throws {
        var options = avg_session_options()
        options.struct_size = MemoryLayout<avg_session_options>.size
        options.no_video = clip.video ? 0 : 1
        options.no_audio = clip.audio ? 0 : 1
        options.max_duration_s = Int32(clip.maxDurationS)
        options.max_frame_bytes = clip.maxFramePixels * 3 / 2
        var size = 0
        let measured = avg_session_size(model.handle, &options, &size)
        guard measured == AVG_OK else { throw AvguardError(measured, "") }
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        var made: OpaquePointer?
        let status = avg_session_init(block, size, model.handle, &options, &made)
        guard status == AVG_OK, let made else {
            block.deallocate()
            throw AvguardError(status, "")
        }
        self.model = model
        memory = block
        handle = made
    }

    deinit {
        avg_session_close(handle)
        memory.deallocate()
    }

    /// Gives a frame; it is copied. Every 0.96 s of clip the model runs inside the call that completes it.
    public func push(_ frame: Frame) throws {
        try frame.withPlanes { planes in
            var row = planes
            try called { avg_session_push_frame(handle, &row) }
        }
    }

    /// Gives linear PCM as AVFoundation delivers it: float or 16-bit integer, interleaved.
    public func push(_ sound: CMSampleBuffer) throws {
        try sound.withSamples { samples in
            var row = samples
            try called { avg_session_push_audio(handle, &row) }
        }
    }

    /// Adds a sentence to the verdict's warnings.
    public func warn(_ sentence: String) throws {
        try called { avg_session_warn(handle, sentence) }
    }

    /// The windows scored since the last call.
    public func poll() throws -> [ScoredWindow] {
        lock.lock()
        defer { lock.unlock() }
        var found: [ScoredWindow] = []
        while true {
            var event = avg_event()
            event.struct_size = MemoryLayout<avg_event>.size
            let status = avg_session_poll(handle, &event)
            if status == AVG_NO_EVENT { return found }
            guard status == AVG_OK else { throw AvguardError(status, String(cString: avg_session_error(handle))) }
            guard event.kind == Int32(AVG_WINDOW_SCORED.rawValue) else { continue }
            let scores = withUnsafeBytes(of: event.scores) { Array($0.bindMemory(to: Double.self)) }
            found.append(ScoredWindow(startUs: event.start_us, endUs: event.end_us, scores: scores))
        }
    }

    /// The largest face that was looked at last.
    public func face() throws -> Face? {
        var face = avg_face()
        var count = 0
        var tUs: Int64 = 0
        try called { avg_session_faces(handle, &face, 1, &count, &tUs) }
        guard count > 0 else { return nil }
        let (width, height) = (face.right - face.left, face.bottom - face.top)
        let bounds = CGRect(x: CGFloat(face.left), y: CGFloat(face.top), width: CGFloat(width), height: CGFloat(height))
        return Face(bounds: bounds, tUs: tUs)
    }

    /// Ends the clip and decides; the verdict as JSON, schema avguard.verdict/1. Only once for each session.
    public func finish() throws -> Data {
        var verdict = avg_verdict()
        verdict.struct_size = MemoryLayout<avg_verdict>.size
        try called { avg_session_finish(handle, &verdict) }
        var length = 0
        try called { avg_session_json(handle, nil, 0, &length) }
        var text = [CChar](repeating: 0, count: length + 1)
        try called { avg_session_json(handle, &text, text.count, &length) }
        return Data(bytes: text, count: length)
    }

    private func called(_ call: () -> avg_status) throws {
        lock.lock()
        defer { lock.unlock() }
        let status = call()
        guard status == AVG_OK else { throw AvguardError(status, String(cString: avg_session_error(handle))) }
    }
}
