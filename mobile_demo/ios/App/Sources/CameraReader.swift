// SPDX-License-Identifier: Apache-2.0
import AVFoundation
import Avguard

/// The front camera and the microphone; both stamp on the capture session's one clock.
final class CameraReader: NSObject {
    let capture = AVCaptureSession()
    private let queue = DispatchQueue(label: "org.avguard.demo.camera")
    private let pictures = AVCaptureVideoDataOutput()
    private let sounds = AVCaptureAudioDataOutput()
    private let session: Session
    private let looked: (Session, Frame) -> Void
    private var dropped = 0
    private var failure: Error?

    /// Throws when there is no camera or no microphone, or when one was not allowed.
    init(_ model: Model, looked: @escaping (Session, Frame) -> Void) throws {
        session = try Session(model)
        self.looked = looked
        super.init()
        guard let camera = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .front),
            let microphone = AVCaptureDevice.default(for: .audio)
        else { throw CocoaError(.featureUnsupported) }
        capture.beginConfiguration()
        capture.sessionPreset = .hd1280x720
        capture.addInput(try AVCaptureDeviceInput(device: camera))
        capture.addInput(try AVCaptureDeviceInput(device: microphone))
        pictures.videoSettings = [
            kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_420YpCbCr8BiPlanarFullRange
        ]
        pictures.alwaysDiscardsLateVideoFrames = true
        pictures.setSampleBufferDelegate(self, queue: queue)
        sounds.setSampleBufferDelegate(self, queue: queue)
        capture.addOutput(pictures)
        capture.addOutput(sounds)
        // The sensor lies on its side in a phone that is held upright.
        if let connection = pictures.connection(with: .video), connection.isVideoRotationAngleSupported(90) {
            connection.videoRotationAngle = 90
        }
        capture.commitConfiguration()
    }

    func start() {
        queue.async { self.capture.startRunning() }
    }

    /// Ends the clip; answers the verdict's JSON.
    func finish() async throws -> Data {
        try await withCheckedThrowingContinuation { done in
            queue.async {
                self.capture.stopRunning()
                done.resume(with: Result { try self.decide() })
            }
        }
    }

    private func decide() throws -> Data {
        if let failure { throw failure }
        if dropped > 0 { try session.warn("\(dropped) frames were dropped under load") }
        return try session.finish()
    }
}

extension CameraReader: AVCaptureVideoDataOutputSampleBufferDelegate, AVCaptureAudioDataOutputSampleBufferDelegate {
    func captureOutput(_ output: AVCaptureOutput, didOutput buffer: CMSampleBuffer, from: AVCaptureConnection) {
        guard failure == nil else { return }
        do {
            if output === sounds {
                try session.push(buffer)
            } else if let pixels = CMSampleBufferGetImageBuffer(buffer) {
                let frame = Frame(pixels: pixels, time: buffer.presentationTimeStamp)
                try session.push(frame)
                looked(session, frame)
            }
        } catch {
            failure = error
        }
    }

    func captureOutput(_ output: AVCaptureOutput, didDrop buffer: CMSampleBuffer, from: AVCaptureConnection) {
        if output === pictures { dropped += 1 }
    }
}
