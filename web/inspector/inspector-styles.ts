/** How the inspector looks. */
import { css } from "lit";

export const inspectorStyles = css`
  :host {
    display: grid;
    align-content: start;
    gap: var(--gap);
    min-width: 0;
    font-size: 0.8125rem;
  }

  .card {
    min-width: 0;
    padding: 0.625rem 0.75rem;
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }

  .card > h3 {
    margin-bottom: 0.25rem;
  }

  h3 {
    font-size: 0.8125rem;
    font-weight: 600;
  }

  .card section + section {
    margin-top: 0.75rem;
  }

  code {
    font-family: var(--mono);
    font-size: 0.75rem;
  }

  .soft {
    color: var(--ink-soft);
  }

  .bar {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.375rem 0.75rem;
  }

  .bar .grow {
    flex: 1 1 auto;
  }

  .bar label {
    display: inline-flex;
    align-items: center;
    gap: 0.375rem;
  }

  select {
    min-height: 2rem;
    padding: 0.125rem 0.375rem;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius);
    background: var(--surface);
    color: var(--ink);
    font: inherit;
  }

  .step {
    margin-top: 0.375rem;
  }

  .events {
    min-height: 9.6rem;
    margin: 0.375rem 0 0;
    padding: 0;
    list-style: none;
    font-family: var(--mono);
    font-size: 0.6875rem;
    line-height: 1.2rem;
  }

  .events li {
    display: grid;
    grid-template-columns: 5.5rem 4.5rem minmax(0, 1fr);
    gap: 0.5rem;
    overflow: hidden;
    white-space: nowrap;
  }

  .events li > :last-child {
    overflow: hidden;
    text-overflow: ellipsis;
  }

  .events li > :first-child {
    color: var(--ink-soft);
    text-align: right;
  }

  .events li.exit > :last-child {
    color: var(--series-exits);
    font-weight: 600;
  }

  .events li.wired > :last-child {
    color: var(--series-wired);
  }

  .events li.msi > :last-child {
    color: var(--series-msi);
  }

  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
  }

  th,
  td {
    padding: 0.125rem 0.375rem;
    border-bottom: 1px solid var(--line);
    font-weight: 400;
    text-align: right;
    vertical-align: top;
    white-space: nowrap;
  }

  thead th {
    color: var(--ink-soft);
  }

  tbody tr:last-child > * {
    border-bottom: 0;
  }

  th:first-child {
    text-align: left;
  }

  .text,
  .fields,
  .offset,
  .registers th {
    text-align: left;
  }

  .registers .offset {
    color: var(--ink-soft);
  }

  .registers th {
    width: 9rem;
  }

  .registers .value {
    width: 6.5rem;
  }

  .registers .offset {
    width: 3.5rem;
  }

  .registers .fields {
    width: auto;
    white-space: normal;
  }

  .registers tr.recent > * {
    background: var(--raised);
  }

  .registers tr.last > * {
    background: var(--accent-soft);
  }

  .registers tr.last > :first-child {
    box-shadow: inset 3px 0 var(--accent);
  }

  tr.hot > * {
    background: var(--accent-soft);
  }

  .chip {
    display: inline-block;
    margin: 0 0.25rem 0.0625rem 0;
    padding: 0 0.3125rem;
    border: 1px solid var(--line);
    border-radius: 0.25rem;
    font-size: 0.6875rem;
    line-height: 1.05rem;
  }

  .chip.taken {
    border-color: var(--accent);
    background: var(--accent-soft);
  }

  .access {
    color: var(--series-exits);
    font-size: 0.6875rem;
    font-weight: 600;
    white-space: nowrap;
  }

  .features {
    line-height: 1.5rem;
  }

  .scroll {
    overflow-x: auto;
  }

  .drawings {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr));
    gap: 0.5rem 1rem;
    justify-items: center;
    margin-top: 0.375rem;
  }

  figure {
    width: 100%;
    max-width: 13rem;
    margin: 0;
    text-align: center;
  }

  figcaption {
    color: var(--ink-soft);
    font-size: 0.75rem;
  }

  figure svg {
    display: block;
    width: 100%;
  }

  summary {
    margin-top: 0.375rem;
    color: var(--ink-soft);
    cursor: pointer;
  }

  .bits figcaption {
    display: grid;
    align-content: end;
    min-height: 2.25rem;
  }

  .bits svg {
    margin: 0.25rem 0;
  }

  .bits p {
    min-height: 2.2rem;
    font-size: 0.75rem;
  }

  svg .ring {
    fill: none;
    stroke: var(--line);
    stroke-width: 10;
  }

  svg .arc {
    fill: none;
    stroke: var(--accent);
    stroke-width: 10;
  }

  svg line {
    stroke-width: 3;
    stroke-linecap: round;
  }

  svg .driver line {
    stroke: var(--ink);
  }

  svg .driver circle {
    fill: var(--ink);
  }

  svg .device line {
    stroke: var(--series-exits);
  }

  svg .device circle {
    fill: var(--series-exits);
  }

  svg line.event {
    stroke: var(--series-wired);
  }

  svg text {
    fill: var(--ink);
    text-anchor: middle;
  }

  svg text.large {
    font-size: 20px;
    font-weight: 600;
    font-variant-numeric: tabular-nums;
  }

  svg text.small {
    fill: var(--ink-soft);
    font-size: 11px;
  }

  svg rect.free {
    fill: var(--line);
  }

  svg rect.owned {
    fill: none;
    stroke: var(--line-strong);
  }

  svg rect.available,
  svg rect.irr {
    fill: var(--accent);
  }

  svg rect.held,
  svg rect.isr {
    fill: var(--series-exits);
  }

  svg rect.tmr {
    fill: var(--series-wired);
  }

  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 0.125rem 0.875rem;
    margin: 0.25rem 0 0.5rem;
    padding: 0;
    list-style: none;
    color: var(--ink-soft);
    font-size: 0.75rem;
  }

  .legend li::before {
    content: "";
    display: inline-block;
    width: 0.625rem;
    height: 0.625rem;
    margin-right: 0.3125rem;
    border-radius: 0.125rem;
    background: var(--legend);
  }

  .legend .driver {
    --legend: var(--ink);
  }

  .legend .device,
  .legend .held {
    --legend: var(--series-exits);
  }

  .legend .event {
    --legend: var(--series-wired);
  }

  .legend .available {
    --legend: var(--accent);
  }

  .facts {
    display: grid;
    grid-template-columns: max-content minmax(0, 1fr);
    gap: 0.125rem 0.75rem;
    margin: 0;
    font-size: 0.75rem;
  }

  .facts dt {
    color: var(--ink-soft);
  }

  .facts dd {
    margin: 0;
  }

  .chains {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr));
    gap: 0.25rem 1rem;
    margin: 0.5rem 0 0;
    padding: 0;
    list-style: none;
    font-size: 0.75rem;
  }

  .chains ul {
    margin: 0;
    padding: 0 0 0 0.75rem;
    list-style: none;
    color: var(--ink-soft);
  }

  @media (max-width: 30rem) {
    .registers .offset {
      display: none;
    }

    .registers th {
      white-space: normal;
      overflow-wrap: anywhere;
    }

    .events li {
      grid-template-columns: 4rem minmax(0, 1fr);
    }

    .events li > :first-child {
      display: none;
    }
  }
`;
