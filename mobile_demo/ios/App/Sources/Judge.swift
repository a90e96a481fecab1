// SPDX-License-Identifier: Apache-2.0
import AVFoundation
import Avguard
import Observation

/// What the screen shows, and the work behind it.
@MainActor @Observable
final class Judge {
    private(set) var status = "Loading the model…"
    private(set) var busy = true
    private(set) var scores: [Double] = [.nan, .nan, .nan]
    private(set) var face: CGRect?
    private(set) var picture = CGSize(width: 1, height: 1)
    private(set) var verdict: Verdict?
    private(set) var json = Data()
    private(set) var clip: URL?
    private(set) var camera: CameraReader?
    private var model: Model?

    func load() async {
        do {
            guard let folder = Bundle.main.url(forResource: "bundle", withExtension: nil) else {
                throw CocoaError(.fileNoSuchFile)
            }
            model = try await Task.detached { try Model(ModelFiles(folder: folder)) }.value
            status = "Ready."
            busy = false
        } catch {
            status = error.localizedDescription
        }
    }

    func check(_ file: URL) async {
        guard let model, !busy else { return }
        begin(clip: file)
        await end {
            try await Task.detached {
                try await ClipReader(file: file).judge(model) { session, frame in try self.look(session, frame) }
            }.value
        }
    }

    func watch() async {
        guard let model, !busy else { return }
        let seen = await AVCaptureDevice.requestAccess(for: .video)
        let heard = await AVCaptureDevice.requestAccess(for: .audio)
        guard seen, heard else {
            status = "The camera and the microphone were not allowed. Allow both in Settings, or choose a clip."
            return
        }
        begin(clip: nil)
        do {
            let reader = try CameraReader(model) { session, frame in try? self.look(session, frame) }
            camera = reader
            reader.start()
        } catch {
            status = error.localizedDescription
            busy = false
        }
    }

    func stop() async {
        guard let reader = camera else { return }
        await end { try await reader.finish() }
        camera = nil
    }

    /// On the thread that pushes.
    private nonisolated func look(_ session: Session, _ frame: Frame) throws {
        let face = try session.face()?.bounds
        let window = try session.poll().last
        let turned = frame.rotationDeg % 180 != 0
        let width = CVPixelBufferGetWidth(frame.pixels)
        let height = CVPixelBufferGetHeight(frame.pixels)
        let size = CGSize(width: turned ? height : width, height: turned ? width : height)
        Task { @MainActor in
            self.face = face
            self.picture = size
            if let window { self.scores = Array(window.scores.prefix(3)) }
        }
    }

    private func begin(clip: URL?) {
        self.clip = clip
        busy = true
        verdict = nil
        scores = [.nan, .nan, .nan]
        status = "Looking and listening…"
    }

    private func end(_ work: () async throws -> Data) async {
        do {
            json = try await work()
            let found = try Verdict(json: json)
            verdict = found
            scores = [found.score.video, found.score.audio, found.score.sync].map { $0 ?? .nan }
            status = "Ready."
        } catch {
            status = error.localizedDescription
        }
        face = nil
        busy = false
    }
}
