// SPDX-License-Identifier: Apache-2.0
import AVFoundation
import SwiftUI

/// The camera's picture, as a mirror.
struct PreviewView: UIViewRepresentable {
    let capture: AVCaptureSession

    final class Screen: UIView {
        override class var layerClass: AnyClass { AVCaptureVideoPreviewLayer.self }
    }

    func makeUIView(context: Context) -> Screen {
        let screen = Screen()
        if let layer = screen.layer as? AVCaptureVideoPreviewLayer {
            layer.session = capture
            layer.videoGravity = .resizeAspect
        }
        return screen
    }

    func updateUIView(_ screen: Screen, context: Context) {}
}

/// The box of the face, over a picture that is shown whole and centred.
struct FaceBox: View {
    let face: CGRect?
    let picture: CGSize
    let mirrored: Bool

    var body: some View {
        Canvas { context, size in
            guard let face else { return }
            let scale = min(size.width / picture.width, size.height / picture.height)
            let left = mirrored ? picture.width - face.maxX : face.minX
            let box = CGRect(
                x: (size.width - picture.width * scale) / 2 + left * scale,
                y: (size.height - picture.height * scale) / 2 + face.minY * scale,
                width: face.width * scale, height: face.height * scale)
            context.stroke(Path(roundedRect: box, cornerRadius: 4), with: .color(.yellow), lineWidth: 3)
        }
        .allowsHitTesting(false)
        .accessibilityHidden(true)
    }
}
