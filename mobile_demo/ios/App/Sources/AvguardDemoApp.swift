// SPDX-License-Identifier: Apache-2.0
import SwiftUI

@main
struct AvguardDemoApp: App {
    var body: some Scene {
        WindowGroup { MainView() }
    }
}
