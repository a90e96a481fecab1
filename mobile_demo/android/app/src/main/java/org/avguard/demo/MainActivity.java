// SPDX-License-Identifier: Apache-2.0
package org.avguard.demo;

import android.Manifest;
import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.view.View;
import android.widget.Button;
import android.widget.TextView;
import android.widget.VideoView;
import androidx.activity.ComponentActivity;
import androidx.activity.result.ActivityResultLauncher;
import androidx.activity.result.contract.ActivityResultContracts;
import androidx.camera.lifecycle.ProcessCameraProvider;
import androidx.camera.view.PreviewView;
import com.google.common.util.concurrent.ListenableFuture;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.avguard.Event;
import org.avguard.Face;
import org.avguard.Frame;
import org.avguard.Model;
import org.avguard.Session;
import org.avguard.Verdict;

/** The one screen: a clip or the camera goes in, a verdict with its reasons comes out. */
public final class MainActivity extends ComponentActivity {
  private final ExecutorService worker = Executors.newSingleThreadExecutor();
  private final ActivityResultLauncher<String> picker =
      registerForActivityResult(new ActivityResultContracts.GetContent(), this::check);
  private final ActivityResultLauncher<String[]> asker =
      registerForActivityResult(
          new ActivityResultContracts.RequestMultiplePermissions(),
          given -> {
            if (given.containsValue(false)) say(getString(R.string.denied));
            else openCamera();
          });

  private Model model; // of the worker's thread
  private Meters meters;
  private Source source;
  private String json = "";

  @Override
  protected void onCreate(Bundle saved) {
    super.onCreate(saved);
    setContentView(R.layout.main);
    meters = new Meters(this, findViewById(R.id.meters));
    findViewById(R.id.choose).setOnClickListener(view -> picker.launch("video/*"));
    findViewById(R.id.watch).setOnClickListener(view -> watch());
    findViewById(R.id.share).setOnClickListener(view -> share());
    worker.execute(this::load);
  }

  @Override
  protected void onDestroy() {
    if (source != null) source.stop();
    worker.execute(
        () -> {
          if (model != null) model.close();
        });
    worker.shutdown();
    super.onDestroy();
  }

  private void load() {
    try {
      model = Assets.open(getApplicationContext());
      runOnUiThread(
          () -> {
            say(getString(R.string.ready));
            enable(true);
            Uri shared = getIntent().getParcelableExtra(Intent.EXTRA_STREAM);
            if (shared != null) check(shared);
          });
    } catch (Exception error) {
      runOnUiThread(() -> say(error.getMessage()));
    }
  }

  private void check(Uri file) {
    if (file == null) return;
    VideoView player = findViewById(R.id.player);
    player.setVideoURI(file);
    show(R.id.player);
    begin(new ClipSource(getApplicationContext(), file));
  }

  private void watch() {
    if (source != null) source.stop();
    else asker.launch(new String[] {Manifest.permission.CAMERA, Manifest.permission.RECORD_AUDIO});
  }

  private void openCamera() {
    ListenableFuture<ProcessCameraProvider> provider = ProcessCameraProvider.getInstance(this);
    provider.addListener(
        () -> {
          try {
            PreviewView preview = findViewById(R.id.preview);
            preview.setScaleType(PreviewView.ScaleType.FIT_CENTER);
            show(R.id.preview);
            begin(new CameraSource(provider.get(), this, preview));
            Button watch = findViewById(R.id.watch);
            watch.setText(R.string.stop);
            watch.setEnabled(true);
          } catch (Exception error) {
            say(String.valueOf(error.getMessage()));
          }
        },
        getMainExecutor());
  }

  private void begin(Source next) {
    source = next;
    enable(false);
    findViewById(R.id.timeline).setVisibility(View.GONE);
    findViewById(R.id.share).setVisibility(View.GONE);
    text(R.id.verdict).setText("");
    text(R.id.details).setText("");
    say(getString(R.string.looking));
    worker.execute(
        () -> {
          try {
            String found = next.judge(model, this::looked);
            runOnUiThread(() -> tell(Verdict.of(found)));
          } catch (Exception error) {
            runOnUiThread(() -> say(String.valueOf(error.getMessage())));
          } finally {
            runOnUiThread(this::rest);
          }
        });
  }

  /** On the thread that pushes. */
  private void looked(Session session, Frame frame) {
    List<Face> faces = session.faces();
    boolean turned = frame.rotationDeg % 180 != 0;
    int width = turned ? frame.height : frame.width;
    int height = turned ? frame.width : frame.height;
    runOnUiThread(() -> face().show(faces.isEmpty() ? null : faces.get(0), width, height));
    for (Event event = session.poll(); event != null; event = session.poll()) {
      double[] scores = event.scores;
      if (event.kind == Event.Kind.WINDOW_SCORED) runOnUiThread(() -> meters.show(scores));
    }
  }

  private void tell(Verdict verdict) {
    json = verdict.json;
    meters.show(new double[] {verdict.video, verdict.audio, verdict.sync});
    text(R.id.verdict).setText(Words.label(getResources(), verdict));
    text(R.id.details).setText(Words.details(getResources(), verdict));
    VideoView player = findViewById(R.id.player);
    TimelineView timeline = findViewById(R.id.timeline);
    timeline.show(verdict, seconds -> player.seekTo((int) (seconds * 1000)));
    findViewById(R.id.share).setVisibility(View.VISIBLE);
    say(getString(R.string.ready));
  }

  private void rest() {
    source = null;
    face().show(null, 1, 1);
    ((Button) findViewById(R.id.watch)).setText(R.string.watch);
    enable(true);
  }

  private void share() {
    Intent intent = new Intent(Intent.ACTION_SEND).setType("application/json").putExtra(Intent.EXTRA_TEXT, json);
    startActivity(Intent.createChooser(intent, getString(R.string.share)));
  }

  private void show(int what) {
    // The preview of the front camera is a mirror; what the camera gives is not.
    face().mirror(what == R.id.preview);
    findViewById(R.id.stage).setVisibility(View.VISIBLE);
    findViewById(R.id.player).setVisibility(what == R.id.player ? View.VISIBLE : View.GONE);
    findViewById(R.id.preview).setVisibility(what == R.id.preview ? View.VISIBLE : View.GONE);
  }

  private void enable(boolean on) {
    findViewById(R.id.choose).setEnabled(on);
    findViewById(R.id.watch).setEnabled(on);
  }

  private void say(String what) {
    text(R.id.status).setText(what);
  }

  private TextView text(int id) {
    return findViewById(id);
  }

  private FaceView face() {
    return findViewById(R.id.face);
  }
}
