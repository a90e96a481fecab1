// SPDX-License-Identifier: Apache-2.0
// Three curves over the clip and its suspicious stretches; the slider on it scrubs, by finger, mouse or keys.
export interface Timeline { start_s: number; step_s: number; video?: (number | null)[]; audio?: (number | null)[]; sync?: (number | null)[] }
export interface Stretch { start_s: number; end_s: number; modality: string; score: number }

const SVG = "http://www.w3.org/2000/svg";
const HEADS = ["video", "audio", "sync"] as const;
const [WIDTH, HEIGHT, EDGE] = [1000, 100, 4];

function add(parent: Element, name: string, attributes: Record<string, string | number>): void {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  parent.append(made);
}

/** Runs of judged steps as an SVG path. */
function curve(scores: (number | null)[], x: (index: number) => number): string {
  return scores
    .map((score, i) => {
      if (score === null) return "";
      const begins = i === 0 || scores[i - 1] === null;
      return `${begins ? "M" : "L"}${x(i).toFixed(1)} ${(EDGE + (1 - score) * (HEIGHT - 2 * EDGE)).toFixed(1)}`;
    })
    .join("");
}

/** Draws into the svg; answers false when there is nothing to draw. */
export function draw(chart: Element, timeline: Timeline, stretches: Stretch[], duration_s: number): boolean {
  chart.replaceChildren();
  const seconds = (t_s: number) => (t_s / duration_s) * WIDTH;
  for (const { start_s, end_s, modality } of stretches) {
    add(chart, "rect", { x: seconds(start_s), y: 0, width: seconds(end_s - start_s), height: HEIGHT, class: `stretch ${modality}` });
  }
  add(chart, "line", { x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2, class: "middle" });
  let drawn = false;
  for (const head of HEADS) {
    const path = curve(timeline[head] ?? [], (i) => seconds(timeline.start_s + i * timeline.step_s));
    drawn ||= path !== "";
    if (path) add(chart, "path", { d: path, class: head });
  }
  add(chart, "line", { x1: 0, x2: 0, y1: 0, y2: HEIGHT, class: "now" });
  return drawn;
}

/** Keeps slider, chart, the time in words and player together; answers what to call when the player's time has moved. */
export function scrub(slider: HTMLInputElement, chart: Element, time: Element, player: HTMLVideoElement): () => void {
  const follow = () => {
    slider.value = String(player.currentTime);
    slider.setAttribute("aria-valuetext", `${player.currentTime.toFixed(1)} seconds`);
    time.textContent = `${player.currentTime.toFixed(1)} of ${Number(slider.max).toFixed(1)} s`;
    const x = (player.currentTime / Number(slider.max)) * WIDTH;
    const now = chart.querySelector(".now");
    now?.setAttribute("transform", `translate(${x} 0)`);
    now?.toggleAttribute("hidden", slider.hidden); // what the camera saw is not kept: there is nothing to be at
  };
  slider.addEventListener("input", () => {
    player.currentTime = Number(slider.value);
    follow();
  });
  return follow;
}
