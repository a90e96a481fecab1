/* SPDX-License-Identifier: Apache-2.0 */
/*
 * avguard: tells whether a talking-face clip was likely manipulated, in its picture, in its sound, or in how the two
 * fit together. Timestamped frames and PCM in; events while it runs and one verdict at the end out.
 *
 *   avg_model_open      once per process: verifies the files of a bundle, holds nothing of a clip
 *   avg_session_size    how much memory one clip takes; avg_session_init puts a session there
 *   avg_session_push_frame, avg_session_push_audio, avg_session_poll, avg_session_faces    while the clip runs
 *   avg_session_finish, avg_session_json                                 the verdict, as a struct and as JSON
 *   avg_session_reset   for the next clip;  avg_session_close, avg_model_close   at the end
 *
 * Memory: avg_model_open, avg_session_size and avg_session_init may use the heap; what is called on a session after
 * that does not, apart from what a host's own avg_engine does. Everything of a clip lies in the caller's block.
 *
 * Threads: a model may be used by any number of threads at once; a session by one at a time, others get AVG_BUSY.
 *
 * Ownership: pointers that go in are borrowed for the call, unless it says otherwise; pointers that come out belong to
 * the session and are valid until its next reset, finish or close.
 *
 * Errors: every call answers an avg_status; outputs are written only on AVG_OK. No call exits, aborts, throws or
 * prints. A failed push leaves the session usable unless avg_session_error says otherwise.
 *
 * Structs: struct_size is sizeof the struct as the caller compiled it; all other members may be zero for defaults. A
 * newer header with an older library is refused only if it sets what that library does not know.
 *
 * Units: times are int64 microseconds on one clock for picture and sound (any origin within 24 hours of zero); scores
 * are calibrated probabilities of manipulation in [0, 1], NaN where there was nothing to judge.
 */
#ifndef AVGUARD_H
#define AVGUARD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AVG_API __attribute__((visibility("default")))
#else
#define AVG_API
#endif

#define AVG_ABI_VERSION 1 /* raised when a program compiled with this header could no longer run with the library */

/* ---- statuses */

typedef enum avg_status {
  AVG_OK = 0,
  AVG_NO_EVENT = 1,         /* avg_session_poll: nothing new; not an error */
  AVG_INVALID_ARGUMENT = 2, /* a pointer, size, format, rate or time makes no sense */
  AVG_WRONG_ORDER = 3,      /* push after finish, finish twice, JSON before finish */
  AVG_CLOSED = 4,           /* the session was closed, or never initialised */
  AVG_BUSY = 5,             /* another thread is inside a call on this session */
  AVG_MODEL_ERROR = 6,      /* the bundle is incomplete, altered, or made for another spec or runtime */
  AVG_ENGINE_ERROR = 7,     /* the engine failed to load or run a verified program */
  AVG_LIMIT = 8,            /* beyond a limit stated here or in the options */
  AVG_NO_MEMORY = 9,        /* the caller's block or the heap is too small */
  AVG_UNSUPPORTED = 10,     /* this build or this engine cannot do it */
  AVG_INTERNAL = 11         /* a defect of avguard; please report it */
} avg_status;

/* AVG_ABI_VERSION of the library that was linked. */
AVG_API uint32_t avg_abi_version(void);
/* Version of the library, such as "0.1.0"; static. */
AVG_API const char* avg_version(void);
/* One English sentence for a status; static, never null, also for numbers that are no status. */
AVG_API const char* avg_status_text(avg_status status);

/* ---- engines: where the networks run. Optional: ExecuTorch with XNNPACK is built in and the default. */

enum { AVG_MAX_RANK = 6 };

typedef enum avg_tensor_type { AVG_FLOAT32 = 0, AVG_INT8 = 1 } avg_tensor_type;

/* Dense, row-major. An int8 tensor stands for scale * (value - zero_point). */
typedef struct avg_tensor {
  const char* name; /* as in the exported ONNX and CoreML files: image, face, mouth, motion, mel, linear, ... */
  int32_t type;     /* avg_tensor_type */
  int32_t rank;
  int32_t shape[AVG_MAX_RANK];
  float scale;
  int32_t zero_point;
  void* data; /* null in load; in run 64-byte aligned memory of the session */
} avg_tensor;

/* A file of the bundle. `data` should be 16-byte aligned, else programs of the built-in engine are copied. */
typedef struct avg_file {
  const char* name; /* as the manifest names it, without folders; "manifest.json" for the manifest itself */
  const void* data;
  size_t size;
} avg_file;

typedef struct avg_engine {
  size_t struct_size;
  const char* name;    /* as the bundle's manifest names the runtime; goes into the verdict */
  const char* version; /* compared with the manifest by leading numbers: 2.17.1 serves "2.17" */
  void* context;       /* given back to load */
  /* Makes one instance of a program, used by one thread at a time. Called three times in avg_session_init (and in
   * avg_model_open for the self-test) with role face_detector, face_mesh, joint_float or joint_int8. Tensors come as
   * float32; load may turn any into AVG_INT8 and set its scale and zero_point, and avguard converts. AVG_UNSUPPORTED
   * leaves this program to the built-in engine. `program` stays valid until the model is closed. */
  avg_status (*load)(void* context, const char* role, const avg_file* program, avg_tensor* inputs, size_t input_count,
                     avg_tensor* outputs, size_t output_count, void** network);
  /* Reads the inputs' data and writes the outputs'. The pointers are the same in every call. */
  avg_status (*run)(void* network, const avg_tensor* inputs, const avg_tensor* outputs);
  void (*close)(void* network);
} avg_engine;

/* ---- models */

typedef struct avg_model avg_model;

typedef enum avg_precision {
  AVG_PRECISION_AUTO = 0, /* int8 where this CPU multiplies it faster and the file is there, else float */
  AVG_PRECISION_FLOAT = 1,
  AVG_PRECISION_INT8 = 2
} avg_precision;

typedef struct avg_model_options {
  size_t struct_size;
  int32_t precision;        /* avg_precision */
  const avg_engine* engine; /* null: the built-in one. Copied; name, version and context must outlive the model */
  char* message;            /* where avg_model_open says what is wrong, NUL-terminated; may be null */
  size_t message_size;      /* bytes there, 256 is enough for most */
} avg_model_options;

/* Verifies a bundle (sha256 of each file against the manifest, spec hash, runtime) before anything parses it, and of
 * each program for the built-in engine its own seal (export/seal.py); runs its self-test on this CPU, and opens it.
 * Needed: manifest.json, the self-test, both face programs, and a joint program of the wanted precision; other files of
 * the bundle may be left out. The files' bytes are borrowed: unchanged until every session is closed and the model too.
 * `options` may be null. */
AVG_API avg_status avg_model_open(const avg_file* files, size_t file_count, const avg_model_options* options,
                                  avg_model** model);
/* Closes the model and sets the pointer to null; null pointers are fine. Sessions keep what they need until closed. */
AVG_API void avg_model_close(avg_model** model);

/* ---- sessions: one clip */

typedef struct avg_session avg_session;

enum {
  AVG_MAX_FACES = 4,           /* followed at once; further ones are not looked at */
  AVG_MAX_TRACKS = 256,        /* faces in one clip; past that the shortest ones that left are not in the verdict */
  AVG_MAX_CHANNELS = 16,       /* of sound */
  AVG_MAX_SIDE_PX = 16384,     /* of a frame */
  AVG_MAX_WARNING_BYTES = 4096 /* all warnings of a clip together; later ones are dropped */
};

typedef struct avg_session_options {
  size_t struct_size;
  int32_t no_video;       /* not 0: no frames will come */
  int32_t no_audio;       /* not 0: no sound will come */
  int32_t max_duration_s; /* of a clip, 1 to 86400; 0: 600. Pushes beyond it answer AVG_LIMIT */
  int32_t max_faces;      /* followed at once, 1 to AVG_MAX_FACES; 0: all. Each takes about 5 MB */
  int32_t audio_rate_hz;  /* the only sample rate that will come, which saves up to 1 MB; 0: any */
  int32_t max_events; /* kept until polled, 16 to 65536; 0: 256. The oldest are dropped: their numbers are missing */
  size_t max_frame_bytes; /* largest copied frame without row padding, kept twice; 0: 3110400, a 1920 x 1080 NV12 */
} avg_session_options;

/* Bytes that avg_session_init needs for these options; `options` may be null. Loads the networks to see what they take,
 * so call it once. */
AVG_API avg_status avg_session_size(const avg_model* model, const avg_session_options* options, size_t* size);
/* Makes a session in `memory`, which the caller keeps until avg_session_close; any alignment. */
AVG_API avg_status avg_session_init(void* memory, size_t size, const avg_model* model,
                                    const avg_session_options* options, avg_session** session);
/* Forgets the clip and begins the next, with the same options and without loading anything. */
AVG_API avg_status avg_session_reset(avg_session* session);
/* Ends the session; its memory is the caller's again. AVG_CLOSED when it was closed already and the memory is intact.
 */
AVG_API avg_status avg_session_close(avg_session* session);
/* What the last failed call on this session said: what, why and the next step. Empty if none failed; never null. */
AVG_API const char* avg_session_error(const avg_session* session);

typedef enum avg_pixel_format {
  AVG_I420 = 0, /* planes Y, U, V */
  AVG_NV12 = 1, /* planes Y, UV */
  AVG_NV21 = 2, /* planes Y, VU */
  AVG_RGB = 3,  /* 3 bytes a pixel, R first */
  AVG_BGRA = 4,
  AVG_RGBA = 5, /* alpha is not looked at */
  AVG_GRAY8 = 6
} avg_pixel_format;

typedef enum avg_color_matrix { AVG_BT601 = 0, AVG_BT709 = 1, AVG_BT2020 = 2 } avg_color_matrix;

typedef struct avg_frame {
  size_t struct_size;
  int64_t t_us;          /* presentation time; times that do not move forward are repaired and counted */
  int32_t format;        /* avg_pixel_format */
  int32_t matrix;        /* avg_color_matrix, of YUV formats */
  int32_t full_range;    /* not 0: 0..255, else 16..235, of YUV formats */
  int32_t mirrored;      /* not 0: stored flipped left to right, before the rotation */
  int32_t rotation_deg;  /* clockwise turn that makes it upright: 0, 90, 180, 270 */
  int32_t width, height; /* as stored, in pixels; odd sizes round chroma planes up */
  const uint8_t* plane[3];
  ptrdiff_t stride[3]; /* bytes from row to row, at least a row's bytes */
  /* Null: the frame is copied. Else its bytes are borrowed, which saves that, and stay as they are until
   * release(owner): called once for each push that answered AVG_OK, inside that call or a later push, finish, reset or
   * close, in any order. Two frames at most are kept when a push returns. Must not call back into the session. */
  void (*release)(void* owner);
  void* owner;
} avg_frame;

/* Gives a frame. Picture and sound may come in any order whose lag stays below 2 seconds: the verdict is the same to
 * the bit. Usually quick; every 0.96 s of clip the joint model runs inside the push that completes it. */
AVG_API avg_status avg_session_push_frame(avg_session* session, const avg_frame* frame);

typedef enum avg_sample_format { AVG_F32 = 0, AVG_S16 = 1 } avg_sample_format;

typedef struct avg_audio {
  size_t struct_size;
  int64_t t_us;        /* time of the first sample; gaps above 30 ms become silence, overlaps are dropped */
  int32_t format;      /* avg_sample_format: float in [-1, 1], or 16-bit integer, native byte order */
  int32_t channels;    /* interleaved, 1 to AVG_MAX_CHANNELS; their mean is judged */
  int32_t rate_hz;     /* 4000 to 192000, the same in all of a clip */
  const void* samples; /* aligned for their type; may be null when count is 0 */
  size_t count;        /* samples in each channel */
} avg_audio;

/* Gives sound, in blocks of any size. */
AVG_API avg_status avg_session_push_audio(avg_session* session, const avg_audio* audio);
/* Adds an English sentence (UTF-8) to the verdict's warnings, such as "12 frames were dropped under load". */
AVG_API avg_status avg_session_warn(avg_session* session, const char* warning);

/* ---- events */

enum { AVG_VIDEO = 0, AVG_AUDIO = 1, AVG_SYNC = 2, AVG_DESYNC = 3, AVG_HEADS = 4 }; /* what is scored */

typedef enum avg_event_kind {
  AVG_TRACK_FOUND = 0,    /* a face appeared at start_us */
  AVG_TRACK_LOST = 1,     /* it was last seen before start_us */
  AVG_WINDOW_SCORED = 2,  /* scores of [start_us, end_us) alone */
  AVG_SEGMENT_OPENED = 3, /* a suspicious stretch began at start_us and lasts at least until end_us */
  AVG_SEGMENT_CLOSED = 4 /* it ended at end_us; the verdict, which sees the whole clip, may cut it a little otherwise */
} avg_event_kind;

/* Events are numbered from 0 on and only ever appended. The newest one may change: it then comes again, with the same
 * number, and replaces what came before. */
typedef struct avg_event {
  size_t struct_size;
  int64_t number;
  int32_t kind;  /* avg_event_kind */
  int32_t track; /* of the face; -1: sound alone */
  int32_t head;  /* of a segment; -1 otherwise */
  int64_t start_us, end_us;
  double scores[AVG_HEADS]; /* of a window; a segment has the mean of its head */
} avg_event;

/* The oldest event not polled yet. AVG_NO_EVENT when there is none. May be called after finish. */
AVG_API avg_status avg_session_poll(avg_session* session, avg_event* event);

/* ---- faces while the clip runs, for drawing */

typedef struct avg_face {
  float left, top, right, bottom; /* bounds of the face, pixels of the upright frame */
  int32_t track;
} avg_face;

/* The faces in the newest 25th of a second that was looked at, largest first; every other frame is looked at
 * with the next one. Writes at most `capacity` faces, how many there are, and when that was. */
AVG_API avg_status avg_session_faces(avg_session* session, avg_face* faces, size_t capacity, size_t* count,
                                     int64_t* t_us);

/* ---- the verdict */

typedef enum avg_label { AVG_REAL = 0, AVG_FAKE = 1, AVG_INCONCLUSIVE = 2 } avg_label;

/* Why something is inconclusive: bits. */
enum {
  AVG_REASON_TOO_SHORT = 1,
  AVG_REASON_NO_VIDEO = 2,
  AVG_REASON_NO_FACE = 4,
  AVG_REASON_FACE_TOO_SMALL = 8,
  AVG_REASON_FACE_TOO_SHORT = 16,
  AVG_REASON_NO_AUDIO = 32,
  AVG_REASON_NO_SPEECH = 64,
  AVG_REASON_UNCERTAIN = 128 /* the score lies between the thresholds */
};

typedef struct avg_head_verdict {
  double score;
  int32_t label; /* avg_label */
  uint32_t reasons;
} avg_head_verdict;

typedef struct avg_segment {
  int64_t start_us, end_us;
  double score; /* mean over the stretch */
  int32_t head;
} avg_segment;

typedef struct avg_track {
  int64_t start_us, end_us;
  double face_s, face_px; /* seconds seen, mean eye distance in pixels */
  double speaking;        /* how much more the lips move in speech than in silence, in [-1, 1] */
  double video, sync, desync;
  int32_t id;
  int32_t primary; /* 1: the face that the verdict is about */
} avg_track;

typedef struct avg_verdict {
  size_t struct_size;
  int32_t label; /* avg_label */
  uint32_t reasons;
  double overall;
  avg_head_verdict heads[AVG_HEADS];
  double offset_ms;       /* how much later the voice comes than the lips; NaN when it cannot be told */
  double offset_contrast; /* how clearly */
  double duration_s, face_s, speech_s;
  double face_px, yaw, sharpness, brightness; /* means of the primary face; NaN without one */
  double bandwidth_hz, loudness_dbfs;         /* of the sound; NaN without any */
  const avg_segment* segments;
  size_t segment_count;
  const avg_track* tracks;
  size_t track_count;
  int64_t timeline_start_us, timeline_step_us;
  const double* timeline[AVG_HEADS]; /* a score for each step, NaN where nothing was judged */
  size_t timeline_steps[AVG_HEADS];  /* 0 for a head that was not judged */
  const char* warnings;              /* NUL-terminated texts one after the other */
  size_t warning_count;
  const char* model_id; /* these four live as long as the session */
  const char* model_licence;
  const char* engine;
  const char* spec_hash;
} avg_verdict;

/* Ends picture and sound and decides. Only once for each clip; after a failure the clip can only be reset. */
AVG_API avg_status avg_session_finish(avg_session* session, avg_verdict* verdict);
/* The same verdict as JSON (schema avguard.verdict/1), the bytes that Python prints. Writes at most `capacity` bytes,
 * NUL included, and the length without NUL. Capacity 0 (json may be null) asks for the length alone; AVG_LIMIT, again
 * with the length, when it does not fit. */
AVG_API avg_status avg_session_json(avg_session* session, char* json, size_t capacity, size_t* length);

#ifdef __cplusplus
}
#endif
#endif
