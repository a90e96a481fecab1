// SPDX-License-Identifier: Apache-2.0
// A verdict (schema avguard.verdict/1) in words.
import type { Stretch, Timeline } from "./timeline";

export interface Verdict {
  label: "real" | "fake" | "inconclusive";
  score: Record<string, number | null>;
  reasons: string[];
  segments: Stretch[];
  timeline: Timeline;
  quality: Record<string, number | null>;
  warnings: string[];
}

export const STOPPED = "Stopped. Nothing was decided.";
export const LABELS = {
  real: ["No sign of manipulation", "This model found none. That is evidence, not proof."],
  fake: ["Likely manipulated", "This says what the picture or sound look like, not who made it or why."],
  inconclusive: ["Cannot tell", "This model does not decide on this clip. That is no answer, not half of one."],
};
const REASONS: Record<string, string> = {
  no_face: "No face was seen.", face_too_small: "The face is too small.", face_too_short: "The face was seen too briefly.",
  no_speech: "No speech was heard.", no_video: "There is no picture.", no_audio: "There is no sound.",
  too_short: "The clip is too short.", uncertain: "The signs are neither weak nor strong enough to decide.",
};
const NAMES: Record<string, string> = { video: "Picture", audio: "Sound", sync: "Lips and voice", desync: "Lips and voice apart" };

const seconds = (value: number | null | undefined) => (typeof value === "number" ? `${value.toFixed(1)} s` : "none");

export function reasons(verdict: Verdict): string[] {
  return verdict.reasons.map((reason) => REASONS[reason] ?? reason);
}

export function stretch({ start_s, end_s, modality, score }: Stretch): string {
  return `${start_s.toFixed(1)}–${end_s.toFixed(1)} s: ${NAMES[modality] ?? modality}, ${Math.round(score * 100)} %`;
}

export function coverage(verdict: Verdict): string[] {
  const { face_s, speech_s } = verdict.quality;
  return [`Face seen: ${seconds(face_s)}`, `Speech heard: ${seconds(speech_s)}`, ...verdict.warnings];
}
