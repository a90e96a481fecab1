// SPDX-License-Identifier: Apache-2.0
import AVKit
import Avguard
import PhotosUI
import SwiftUI

/// The one screen: a clip or the camera goes in, a verdict with its reasons comes out.
struct MainView: View {
    @State private var judge = Judge()
    @State private var picked: PhotosPickerItem?
    @State private var player = AVPlayer()

    var body: some View {
        ScrollView {
            VStack(alignment: .leading, spacing: 12) {
                Text("Is this clip manipulated?").font(.title2).bold().accessibilityAddTraits(.isHeader)
                Text("Nothing leaves this phone: no upload, no account.").foregroundStyle(.secondary)
                buttons
                Text(judge.status).accessibilityAddTraits(.updatesFrequently)
                stage
                MetersView(scores: judge.scores)
                if let verdict = judge.verdict { VerdictView(verdict: verdict, json: judge.json, seek: seek) }
            }
            .padding()
        }
        .task { await judge.load() }
        .onChange(of: picked) { _, item in open(item) }
    }

    private var buttons: some View {
        HStack {
            PhotosPicker("Choose a clip", selection: $picked, matching: .videos)
                .buttonStyle(.borderedProminent)
                .disabled(judge.busy)
            if judge.camera == nil {
                Button("Watch the camera") { Task { await judge.watch() } }.disabled(judge.busy)
            } else {
                Button("Stop and judge") { Task { await judge.stop() } }
            }
        }
        .buttonStyle(.bordered)
        .controlSize(.large)
    }

    @ViewBuilder private var stage: some View {
        if let camera = judge.camera {
            PreviewView(capture: camera.capture)
                .overlay { FaceBox(face: judge.face, picture: judge.picture, mirrored: true) }
                .frame(height: 320)
        } else if judge.clip != nil {
            VideoPlayer(player: player)
                .overlay { FaceBox(face: judge.face, picture: judge.picture, mirrored: false) }
                .frame(height: 320)
        }
    }

    private func open(_ item: PhotosPickerItem?) {
        Task {
            guard let film = try? await item?.loadTransferable(type: Film.self) else { return }
            player.replaceCurrentItem(with: AVPlayerItem(url: film.url))
            await judge.check(film.url)
        }
    }

    private func seek(_ seconds: Double) {
        player.seek(to: CMTime(seconds: seconds, preferredTimescale: 1000), toleranceBefore: .zero, toleranceAfter: .zero)
    }
}

/// A copy of the clip that was picked, for as long as the app runs.
struct Film: Transferable {
    let url: URL

    static var transferRepresentation: some TransferRepresentation {
        FileRepresentation(importedContentType: .movie) { received in
            let copy = FileManager.default.temporaryDirectory
                .appendingPathComponent(UUID().uuidString)
                .appendingPathExtension(received.file.pathExtension)
            try FileManager.default.copyItem(at: received.file, to: copy)
            return Film(url: copy)
        }
    }
}
