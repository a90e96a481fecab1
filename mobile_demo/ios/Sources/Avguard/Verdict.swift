// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What a screen shows of a verdict; the rest is in its JSON (schema avguard.verdict/1).
public struct Verdict: Decodable {
    public struct Scores: Decodable {
        public let overall, video, audio, sync: Double?
    }

    /// A suspicious stretch of the clip.
    public struct Segment: Decodable {
        public let startS, endS, score: Double
        public let modality: String
    }

    /// Probabilities at a fixed rate, nil where nothing was judged.
    public struct Timeline: Decodable {
        public let startS, stepS: Double
        public let video, audio, sync: [Double?]?
    }

    public struct Quality: Decodable {
        public let durationS, faceS, speechS: Double?
    }

    /// real, fake or inconclusive.
    public let label: String
    public let reasons: [String]
    public let score: Scores
    public let segments: [Segment]
    public let timeline: Timeline
    public let quality: Quality
    public let warnings: [String]

    /// Reads what Session.finish gave.
    public init(json: Data) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Verdict.self, from: json)
    }
}
