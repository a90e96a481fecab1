// SPDX-License-Identifier: Apache-2.0
import CAvguard
import Foundation

/// A call of avguard failed. The message says what happened, why, and the next step.
public struct AvguardError: LocalizedError {
    /// The avg_status of avguard.h.
    public let status: UInt32
    public let message: String

    public var errorDescription: String? { message }

    init(_ status: avg_status, _ said: String) {
        self.status = status.rawValue
        message = said.isEmpty ? String(cString: avg_status_text(status)) : said
    }
}
