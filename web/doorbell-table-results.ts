/** A comparison's result: bars beside those of 2019, the counters, a sentence for each difference, and exports. */
import { css, html, LitElement, nothing, svg } from "lit";
import { COLUMN_SHORT } from "./comparison-columns.ts";
import { type ExportContext, toCsv, toJson, toMarkdown } from "./comparison-exports.ts";
import {
  againstSeed,
  baseColumn,
  type ColumnFigures,
  type ComparisonResult,
  columnFigures,
  explanations,
  remarks,
  spreadText,
} from "./comparison-report.ts";
import { modelledExitCost } from "./exit-cost.ts";
import { formatCount, formatRatio } from "./format.ts";
import { saveFile } from "./save-file.ts";
import { sharedStyles } from "./shared-styles.ts";
import { tableStyles } from "./table-styles.ts";

export class DoorbellTableResults extends LitElement {
  static override properties = {
    result: { attribute: false },
    running: { type: Boolean },
    copied: { state: true },
  };

  static override styles = [
    sharedStyles,
    tableStyles,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 0.75rem;
      }

      .modelled {
        color: var(--modelled);
        font-weight: 600;
      }

      .scroll {
        overflow-x: auto;
      }

      th,
      td {
        padding-block: 0.25rem;
        vertical-align: middle;
      }

      .bars {
        width: 45%;
        min-width: 18rem;
        padding-left: 1rem;
        text-align: left;
      }

      th b.ours {
        color: var(--series-msi);
      }

      th b.seed {
        color: var(--series-wired);
      }

      .line {
        display: grid;
        grid-template-columns: 1fr 10.5rem;
        align-items: center;
        gap: 0.5rem;
        text-align: left;
      }

      .line span {
        color: var(--ink-soft);
      }

      svg {
        display: block;
        width: 100%;
        height: 0.625rem;
        overflow: visible;
      }

      .ours rect {
        fill: var(--series-msi);
      }

      .seed rect {
        fill: var(--surface);
        stroke: var(--series-wired);
        stroke-width: 1.5;
      }

      .ours line {
        stroke: var(--ink);
        stroke-width: 1.5;
      }

      .ratios {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem 2rem;
        margin: 0;
        padding: 0;
        list-style: none;
      }

      .ratios b {
        font-variant-numeric: tabular-nums;
      }

      .why {
        display: grid;
        gap: 0.25rem;
        margin: 0;
        padding-left: 1.125rem;
      }

      .notes {
        color: var(--ink-soft);
      }

      .exports {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem;
      }

      @media (max-width: 40rem) {
        .bars {
          min-width: 11rem;
          white-space: normal;
        }

        .line {
          grid-template-columns: 1fr;
          gap: 0;
        }

        tbody th {
          min-width: 6rem;
          white-space: normal;
        }
      }
    `,
  ];

  declare result: ComparisonResult;
  /** More is to come. */
  declare running: boolean;
  /** What became of "Copy Markdown". */
  declare copied: string;

  constructor() {
    super();
    this.running = false;
    this.copied = "";
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("result")) this.copied = "";
  }

  override render() {
    const { result } = this;
    const { settings, measurements } = result;
    const figures = columnFigures(measurements);
    const notes = remarks(result);
    const modelled = modelledExitCost(settings.exitCostNs);
    return html`<div class="scroll" role="region" tabindex="0" aria-label="Measured columns">${this.#table(figures)}</div>
      <ul class="ratios">
        ${againstSeed(measurements).map(
          ({ what, ours, seed }) => html`<li>
            ${what}: <b>${spreadText(ours)}</b>; in 2019 <b>${formatRatio(seed)}</b>${
              modelled === undefined ? nothing : html` <span class="modelled">${modelled}</span>`
            }
          </li>`,
        )}
      </ul>
      <ul class="why">
        ${explanations(result).map((text) => html`<li>${text}</li>`)}
      </ul>
      ${notes.length === 0 ? nothing : html`<p class="notes">${notes.join(" ")}</p>`}
      ${this.running ? nothing : this.#exports()}`;
  }

  #table(figures: readonly ColumnFigures[]) {
    const { settings, complete, measurements } = this.result;
    const base = baseColumn(measurements);
    const modelled = modelledExitCost(settings.exitCostNs);
    const longest = Math.max(
      ...figures.map(({ ratio, rate }) => ((ratio?.median ?? 1) * rate.most) / rate.median),
      ...figures.map(({ seedRatio }) => seedRatio ?? 0),
    );
    return html`<table>
      <caption>
        Transactions per second, ${settings.rounds} ${settings.rounds === 1 ? "round" : "rounds"} of
        ${settings.seconds} s${complete || this.running ? nothing : ", cancelled before the end"}${
          modelled === undefined ? nothing : html`, <span class="modelled">${modelled}</span>`
        }
      </caption>
      <thead>
        <tr>
          <th scope="col">column</th>
          <th scope="col" class="bars">ratio to ${base === undefined ? "the first" : COLUMN_SHORT[base]}: <b class="ours">here</b>, <b class="seed">2019</b></th>
          <th scope="col">rounds</th>
          <th scope="col">median</th>
          <th scope="col"><abbr title="exits of the network card per transaction">exits</abbr></th>
          <th scope="col"><abbr title="interrupts of the network card per transaction">interrupts</abbr></th>
          <th scope="col"><abbr title="IOAPIC EOIs of the network card per transaction">EOIs</abbr></th>
        </tr>
      </thead>
      <tbody>
        ${figures.map(
          (one) => html`<tr>
            <th scope="row">${COLUMN_SHORT[one.name]}</th>
            <td class="bars">${bars(one, longest)}</td>
            <td>${one.rates.map(formatCount).join(" / ")}</td>
            <td>${formatCount(one.rate.median)}</td>
            <td>${formatRatio(one.perTransaction.exits)}</td>
            <td>${formatRatio(one.perTransaction.interrupts)}</td>
            <td>${formatRatio(one.perTransaction.ioapicEois)}</td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }

  #exports() {
    const save = (extension: string, type: string, content: string) =>
      saveFile(`doorbell-table.${extension}`, type, content);
    return html`<div class="exports">
      <button type="button" class="button" id="json" @click=${() => save("json", "application/json", toJson(this.result, context()))}>
        Save JSON
      </button>
      <button type="button" class="button" id="csv" @click=${() => save("csv", "text/csv", toCsv(this.result))}>
        Save CSV
      </button>
      <button
        type="button"
        class="button"
        id="markdown"
        @click=${() => save("md", "text/markdown", toMarkdown(this.result, context()))}
      >
        Save Markdown
      </button>
      <button type="button" class="button" id="copy" @click=${this.#copy}>Copy Markdown</button>
      <span role="status">${this.copied}</span>
    </div>`;
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(toMarkdown(this.result, context()));
      this.copied = "Copied.";
    } catch {
      this.copied = "The browser did not allow it: save the Markdown instead.";
    }
  }
}

function context(): ExportContext {
  return { userAgent: navigator.userAgent, logicalProcessors: navigator.hardwareConcurrency };
}

/** Two bars on one scale: here, with the range over the rounds, and that of 2019. */
function bars(one: ColumnFigures, longest: number) {
  const percent = (value: number) => `${((value / longest) * 97).toFixed(2)}%`;
  const length = one.ratio?.median ?? 1;
  const ofMedian = (rate: number) => percent((length * rate) / one.rate.median);
  return html`<div class="line">
      <svg class="ours" aria-hidden="true">
        <rect width=${percent(length)} height="100%" rx="2"></rect>
        ${
          one.rates.length < 2
            ? nothing
            : svg`<line x1=${ofMedian(one.rate.least)} x2=${ofMedian(one.rate.most)} y1="50%" y2="50%"></line>`
        }
      </svg>
      <b>${one.ratio === undefined ? formatRatio(length) : spreadText(one.ratio)}</b>
    </div>
    ${
      one.seed === undefined || one.seedRatio === undefined
        ? nothing
        : html`<div class="line">
            <svg class="seed" aria-hidden="true"><rect width=${percent(one.seedRatio)} height="100%" rx="2"></rect></svg>
            <span>${formatRatio(one.seedRatio)}: ${one.seed.runs.join(" / ")}</span>
          </div>`
    }`;
}

customElements.define("doorbell-table-results", DoorbellTableResults);
