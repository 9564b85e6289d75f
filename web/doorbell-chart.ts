/** The last minute as lines: exits, interrupts by way, transactions; a labelled upright line for each switch. */
import { css, html, LitElement, unsafeCSS } from "lit";
import uPlot from "uplot";
import uPlotCss from "uplot/dist/uPlot.min.css?inline";
import { formatRate, formatShort } from "./format.ts";
import { HISTORY_MS, SERIES, type SeriesName } from "./metrics-history.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { onThemeChange, resolveColour } from "./theme.ts";

const NAMES: Record<SeriesName, string> = {
  exits: "exits/s",
  wired: "wired/s",
  msi: "MSI/s",
  transactions: "transactions/s",
};

/** Dashes, so that the lines differ without colour. */
const DASHES: Record<SeriesName, number[]> = {
  exits: [],
  wired: [6, 4],
  msi: [2, 3],
  transactions: [12, 3, 2, 3],
};

const SUMMARY_MS = 5000;

export class DoorbellChart extends LitElement {
  static override properties = { store: { attribute: false }, summary: { state: true } };

  static override styles = [
    unsafeCSS(uPlotCss),
    sharedStyles,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-width: 0;
        min-height: 0;
      }

      figure {
        display: flex;
        flex: 1;
        flex-direction: column;
        min-height: 0;
        margin: 0;
      }

      .head {
        display: flex;
        flex-wrap: wrap;
        align-items: baseline;
        gap: 0 0.875rem;
        padding: 0.375rem 0.75rem 0;
        font-size: 0.75rem;
      }

      .head h2 {
        margin-right: auto;
      }

      .key {
        display: inline-flex;
        align-items: center;
        gap: 0.3125rem;
        color: var(--ink-soft);
        white-space: nowrap;
      }

      .key svg {
        width: 1.25rem;
        height: 0.5rem;
      }

      .key.exits {
        --line-colour: var(--series-exits);
      }

      .key.wired {
        --line-colour: var(--series-wired);
      }

      .key.msi {
        --line-colour: var(--series-msi);
      }

      .key.transactions {
        --line-colour: var(--series-transactions);
      }

      .key line {
        stroke: var(--line-colour);
        stroke-width: 2;
      }

      .key b {
        min-width: 3.25em;
        color: var(--ink);
        font-weight: 500;
        font-variant-numeric: tabular-nums;
      }

      .plot {
        position: relative;
        flex: 1;
        min-height: 0;
      }

      .plot .uplot {
        position: absolute;
        font-family: var(--sans);
      }

      .u-hz .u-cursor-x {
        border-color: var(--line-strong);
      }
    `,
  ];

  declare store: MachineStore;
  declare summary: string;
  #plot: uPlot | undefined;
  #observer: ResizeObserver | undefined;
  #unsubscribe: (() => void)[] = [];
  #summarised = Number.NEGATIVE_INFINITY;
  #pending = false;
  #drawn = Number.NEGATIVE_INFINITY;
  /** Who wants less motion gets a chart that moves once per second. */
  readonly #interval = matchMedia("(prefers-reduced-motion: reduce)").matches ? 950 : 0;

  constructor() {
    super();
    this.summary = "Nothing measured yet.";
  }

  override render() {
    return html`<figure role="group" aria-labelledby="title">
      <div class="head">
        <h2 id="title">Last minute, all devices</h2>
        ${SERIES.map(
          (name) => html`<span class="key ${name}"
            ><svg viewBox="0 0 20 8" aria-hidden="true"
              ><line x1="0" y1="4" x2="20" y2="4" stroke-dasharray=${DASHES[name].join(" ")}></line></svg
            >${NAMES[name]} <b id=${name}></b
          ></span>`,
        )}
      </div>
      <div class="plot" role="img" aria-label=${this.summary}></div>
    </figure>`;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#unsubscribe = [this.store.onSample(() => this.#schedule()), onThemeChange(() => this.#create())];
    if (this.hasUpdated) this.firstUpdated();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#observer?.disconnect();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  override firstUpdated(): void {
    const box = this.#box();
    if (box === null) return;
    this.#create();
    this.#observer?.observe(box);
  }

  #box(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>(".plot");
  }

  /** Makes the chart anew: uPlot reads colours and fonts when it is made. */
  #create(): void {
    const box = this.#box();
    if (box === null) return;
    this.#plot?.destroy();
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const ink = resolveColour(this, "--ink-soft");
    const grid = resolveColour(this, "--line");
    const font = `${Math.round(rem * 0.6875)}px ${getComputedStyle(this).getPropertyValue("--sans")}`;
    const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    this.#plot = new uPlot(
      {
        width: Math.max(box.clientWidth, 50),
        height: Math.max(box.clientHeight, 50),
        legend: { show: false },
        padding: [rem, rem * 0.75, 0, 0],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { time: false, range: [-HISTORY_MS / 1000, 0] },
          // An idle machine shows a flat line at the bottom, not noise blown up to full height.
          y: { range: (_, __, max) => [0, Math.max(10, max * 1.08)] },
        },
        axes: [
          {
            ...axis,
            size: rem * 1.5,
            incrs: [10, 15, 20, 30],
            space: rem * 3.5,
            values: (_, ticks) => ticks.map((tick) => (tick === 0 ? "now" : `${tick} s`)),
          },
          { ...axis, size: rem * 2.75, values: (_, ticks) => ticks.map(formatShort) },
        ],
        series: [
          {},
          ...SERIES.map((name) => ({
            label: NAMES[name],
            stroke: resolveColour(this, `--series-${name}`),
            width: 1.75,
            dash: DASHES[name],
            points: { show: false },
          })),
        ],
        hooks: {
          draw: [(plot: uPlot) => this.#drawMarks(plot, font)],
          setCursor: [() => this.#showValues()],
        },
      },
      this.#data(),
      box,
    );
    this.#showValues();
  }

  #resize(): void {
    const box = this.#box();
    if (box === null || this.#plot === undefined) return;
    if (box.clientWidth === 0 || box.clientHeight === 0) return;
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const sized = this.#plot.axes[1]?.size;
    if (typeof sized === "number" && sized !== rem * 2.75) this.#create();
    else this.#plot.setSize({ width: box.clientWidth, height: box.clientHeight });
  }

  #schedule(): void {
    const now = performance.now();
    if (this.#pending || now - this.#drawn < this.#interval) return;
    this.#drawn = now;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#plot?.setData(this.#data());
      this.#showValues();
      this.#summarise();
    });
  }

  /** Points as seconds before now. */
  #data(): uPlot.AlignedData {
    const { times, values } = this.store.history;
    const now = times.at(-1) ?? 0;
    return [times.map((at) => (at - now) / 1000), ...SERIES.map((name) => values[name])] as uPlot.AlignedData;
  }

  /** The values under the pointer, or the newest. */
  #showValues(): void {
    const index = this.#plot?.cursor.idx;
    for (const name of SERIES) {
      const line = this.store.history.values[name];
      const value = typeof index === "number" ? line[index] : line.at(-1);
      const cell = this.renderRoot.querySelector(`#${name}`);
      if (cell !== null) cell.textContent = value === undefined ? "" : formatRate(value);
    }
  }

  #drawMarks(plot: uPlot, font: string): void {
    const { times, marks } = this.store.history;
    const now = times.at(-1) ?? 0;
    const { ctx } = plot;
    const scale = devicePixelRatio;
    const colour = resolveColour(this, "--ink");
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.fillStyle = colour;
    ctx.lineWidth = scale;
    ctx.font = font.replace(/^[0-9.]+/, (size) => String(Number(size) * scale));
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    let labelEnd = Number.NEGATIVE_INFINITY;
    for (const { at, label } of marks) {
      const x = Math.round(plot.valToPos((at - now) / 1000, "x", true));
      if (x < plot.bbox.left) continue;
      ctx.setLineDash([3 * scale, 3 * scale]);
      ctx.beginPath();
      ctx.moveTo(x, plot.bbox.top);
      ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
      ctx.stroke();
      // Switches in quick succession keep their lines; labels that would run into each other are left out.
      const width = ctx.measureText(label).width;
      const left = Math.min(x - width / 2, plot.bbox.left + plot.bbox.width - width);
      if (left > labelEnd + 4 * scale) {
        ctx.fillText(label, left, plot.bbox.top - 2 * scale);
        labelEnd = left + width;
      }
    }
    ctx.restore();
  }

  /** The text alternative; not a live region, so it may change quietly. */
  #summarise(): void {
    const now = performance.now();
    if (now - this.#summarised < SUMMARY_MS) return;
    this.#summarised = now;
    const { values, marks, times } = this.store.history;
    const lines = SERIES.map((name) => {
      const line = values[name];
      const peak = line.reduce((highest, value) => Math.max(highest, value), 0);
      return `${NAMES[name]} now ${formatRate(line.at(-1) ?? 0)}, highest ${formatRate(peak)}`;
    });
    const newest = times.at(-1) ?? 0;
    const switches = marks.map(
      ({ at, label }) => `to ${label} ${Math.round((newest - at) / 1000)} seconds ago`,
    );
    const switched = switches.length === 0 ? "no switch" : `switched ${switches.join(", ")}`;
    this.summary = `Line chart of the last minute: ${lines.join("; ")}; ${switched}.`;
  }
}

customElements.define("doorbell-chart", DoorbellChart);
