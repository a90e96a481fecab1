// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.hardware.camera2.CameraCharacteristics;
import android.hardware.camera2.CameraMetadata;
import android.media.AudioTimestamp;
import android.media.Image;
import android.util.Size;
import androidx.annotation.OptIn;
import androidx.camera.camera2.interop.Camera2CameraInfo;
import androidx.camera.camera2.interop.ExperimentalCamera2Interop;
import androidx.camera.core.Camera;
import androidx.camera.core.CameraSelector;
import androidx.camera.core.ExperimentalGetImage;
import androidx.camera.core.ImageAnalysis;
import androidx.camera.core.ImageProxy;
import androidx.camera.core.Preview;
import androidx.camera.core.resolutionselector.ResolutionSelector;
import androidx.camera.core.resolutionselector.ResolutionStrategy;
import androidx.camera.lifecycle.ProcessCameraProvider;
import androidx.camera.view.PreviewView;
import androidx.lifecycle.LifecycleOwner;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.avguard.ClipOptions;
import org.avguard.Frame;
import org.avguard.Model;
import org.avguard.Session;

/** The front camera through CameraX and the microphone, on the sensor's own timestamps. */
final class CameraSource implements Source {
  private static final Size WANTED = new Size(1280, 720);

  private final CountDownLatch stopped = new CountDownLatch(1);
  private final ProcessCameraProvider provider;
  private final ImageAnalysis analysis;
  private final int timebase;
  private int skipped;
  private RuntimeException failure;

  /** Starts the camera; call on the screen's thread, with both permissions given. */
  @OptIn(markerClass = ExperimentalCamera2Interop.class)
  CameraSource(ProcessCameraProvider provider, LifecycleOwner owner, PreviewView view) {
    this.provider = provider;
    Preview preview = new Preview.Builder().build();
    preview.setSurfaceProvider(view.getSurfaceProvider());
    ResolutionSelector size =
        new ResolutionSelector.Builder().setResolutionStrategy(new ResolutionStrategy(
            WANTED, ResolutionStrategy.FALLBACK_RULE_CLOSEST_LOWER_THEN_HIGHER)).build();
    analysis =
        new ImageAnalysis.Builder()
            .setResolutionSelector(size)
            .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_YUV_420_888)
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .build();
    Camera camera =
        provider.bindToLifecycle(owner, CameraSelector.DEFAULT_FRONT_CAMERA, preview, analysis);
    Integer clock =
        Camera2CameraInfo.from(camera.getCameraInfo())
            .getCameraCharacteristic(CameraCharacteristics.SENSOR_INFO_TIMESTAMP_SOURCE);
    // The microphone has to be asked on the clock that this sensor counts on.
    boolean boot = clock != null && clock == CameraMetadata.SENSOR_INFO_TIMESTAMP_SOURCE_REALTIME;
    timebase = boot ? AudioTimestamp.TIMEBASE_BOOTTIME : AudioTimestamp.TIMEBASE_MONOTONIC;
  }

  @Override
  public String judge(Model model, Listener listener) throws IOException {
    ExecutorService eyes = Executors.newSingleThreadExecutor();
    try (Session session = model.begin(new ClipOptions());
        Microphone microphone = new Microphone(timebase)) {
      Thread ears = new Thread(() -> microphone.pushUntilClosed(session), "microphone");
      ears.start();
      analysis.setAnalyzer(eyes, image -> push(session, image, listener));
      stopped.await();
      analysis.clearAnalyzer();
      eyes.submit(() -> {}).get(); // the frame that is inside goes through
      microphone.close();
      ears.join();
      if (failure != null) throw failure;
      if (skipped > 0) session.warn(skipped + " frames were skipped: their pictures could not be read");
      return session.finish();
    } catch (InterruptedException | java.util.concurrent.ExecutionException error) {
      throw new IOException("The camera was interrupted.", error);
    } finally {
      eyes.shutdown();
    }
  }

  /** Ends the clip; call on the screen's thread. */
  @Override
  public void stop() {
    stopped.countDown();
    provider.unbindAll();
  }

  @OptIn(markerClass = ExperimentalGetImage.class)
  private void push(Session session, ImageProxy proxy, Listener listener) {
    try (ImageProxy held = proxy) {
      Image image = held.getImage();
      if (image == null) {
        ++skipped;
        return;
      }
      Frame frame = new Frame();
      Images.fill(frame, image);
      // A camera's YUV_420_888 is JFIF's: BT.601, full range.
      frame.fullRange = true;
      frame.rotationDeg = held.getImageInfo().getRotationDegrees();
      frame.tUs = held.getImageInfo().getTimestamp() / 1000;
      session.pushFrame(frame);
      listener.looked(session, frame);
    } catch (RuntimeException error) {
      failure = error;
      stopped.countDown();
    }
  }
}
