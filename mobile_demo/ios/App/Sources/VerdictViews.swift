// SPDX-License-Identifier: Apache-2.0
import Avguard
import SwiftUI

private let heads: [(key: String, name: String, colour: Color)] = [
    ("video", "Picture", .blue), ("audio", "Sound", .red), ("sync", "Lips and voice", .green),
]

/// Picture, sound, lips and voice: three bars.
struct MetersView: View {
    let scores: [Double]

    var body: some View {
        ForEach(Array(zip(heads, scores)), id: \.0.key) { head, score in
            LabeledContent(head.name) { Text(score.isNaN ? "–" : score.formatted(.percent.precision(.fractionLength(0)))) }
            ProgressView(value: score.isNaN ? 0 : score).tint(head.colour).accessibilityHidden(true)
        }
    }
}

/// The verdict with its reasons, its timeline, and what could not be seen.
struct VerdictView: View {
    let verdict: Verdict
    let json: Data
    let seek: (Double) -> Void

    private static let labels = [
        "real": "No sign of manipulation", "fake": "Likely manipulated", "inconclusive": "Cannot tell",
    ]
    private static let reasons = [
        "no_face": "No face was seen.", "face_too_small": "The face is too small.",
        "face_too_short": "The face was seen too briefly.", "no_speech": "No speech was heard.",
        "no_video": "There is no picture.", "no_audio": "There is no sound.", "too_short": "The clip is too short.",
        "uncertain": "The score lies between the two thresholds.",
    ]

    var body: some View {
        Text(Self.labels[verdict.label] ?? verdict.label).font(.title3).bold()
        ForEach(verdict.reasons, id: \.self) { Text(Self.reasons[$0] ?? $0) }
        ScoresView(verdict: verdict, seek: seek).frame(height: 96)
        ForEach(Array(verdict.segments.enumerated()), id: \.offset) { _, segment in
            Button(line(segment)) { seek(segment.startS) }
        }
        Text("Face seen: \(verdict.quality.faceS ?? 0, specifier: "%.1f") s. Speech heard: \(verdict.quality.speechS ?? 0, specifier: "%.1f") s.")
        ForEach(verdict.warnings, id: \.self) { Text($0) }
        ShareLink("Share as JSON", item: String(decoding: json, as: UTF8.self))
    }

    private func line(_ segment: Verdict.Segment) -> String {
        let name = heads.first { $0.key == segment.modality }?.name ?? "Lips and voice apart"
        return String(format: "%.1f to %.1f s: %@, %.0f %%", segment.startS, segment.endS, name, segment.score * 100)
    }
}

/// Three curves over the clip and its suspicious stretches; a finger on it looks through the clip.
struct ScoresView: View {
    let verdict: Verdict
    let seek: (Double) -> Void
    @State private var at = 0.0

    private var curves: [[Double?]] {
        [verdict.timeline.video, verdict.timeline.audio, verdict.timeline.sync].map { $0 ?? [] }
    }
    private var lengthS: Double { Double(curves.map(\.count).max() ?? 0) * verdict.timeline.stepS }

    var body: some View {
        GeometryReader { place in
            Canvas { context, size in
                for segment in verdict.segments {
                    let (from, to) = (x(segment.startS, size), x(segment.endS, size))
                    let stretch = CGRect(x: from, y: 0, width: to - from, height: size.height)
                    context.fill(Path(stretch), with: .color(.red.opacity(0.15)))
                }
                for (curve, head) in zip(curves, heads) {
                    context.stroke(path(curve, size), with: .color(head.colour), lineWidth: 2)
                }
                let now = x(at, size)
                context.fill(Path(CGRect(x: now, y: 0, width: 2, height: size.height)), with: .color(.primary))
            }
            .gesture(DragGesture(minimumDistance: 0).onChanged { drag in
                move(verdict.timeline.startS + drag.location.x / place.size.width * lengthS)
            })
        }
        .accessibilityElement()
        .accessibilityLabel("Scores over time")
        .accessibilityValue("\(at, specifier: "%.1f") seconds")
        .accessibilityAdjustableAction { direction in move(at + (direction == .increment ? 1 : -1)) }
    }

    private func move(_ seconds: Double) {
        at = min(max(seconds, verdict.timeline.startS), verdict.timeline.startS + lengthS)
        seek(at)
    }

    private func x(_ seconds: Double, _ size: CGSize) -> CGFloat {
        lengthS > 0 ? (seconds - verdict.timeline.startS) / lengthS * size.width : 0
    }

    private func path(_ curve: [Double?], _ size: CGSize) -> Path {
        Path { path in
            var drawing = false
            for (index, score) in curve.enumerated() {
                guard let score else {
                    drawing = false
                    continue
                }
                let seconds = verdict.timeline.startS + Double(index) * verdict.timeline.stepS
                let point = CGPoint(x: x(seconds, size), y: (1 - score) * size.height)
                if drawing { path.addLine(to: point) } else { path.move(to: point) }
                drawing = true
            }
        }
    }
}
