/** How the journey looks. */
import { css } from "lit";

export const journeyStyles = css`
  :host {
    display: grid;
    align-content: start;
    gap: var(--gap);
    min-width: 0;
    font-size: 0.8125rem;
    --row: 1.75rem;
  }

  .card {
    min-width: 0;
    padding: 0.625rem 0.75rem;
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }

  .soft {
    color: var(--ink-soft);
  }

  .bar {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.375rem 0.5rem;
  }

  .bar .grow {
    flex: 1 1 auto;
  }

  .intro {
    margin-bottom: 0.5rem;
    color: var(--ink-soft);
  }

  .wired {
    --way: var(--series-wired);
  }

  .msi {
    --way: var(--series-msi);
  }

  table {
    width: 100%;
    margin-top: 0.5rem;
    border-collapse: collapse;
    font-variant-numeric: tabular-nums;
  }

  th,
  td {
    padding: 0.0625rem 0 0.0625rem 0.5rem;
    border-bottom: 1px solid var(--line);
    font-weight: 400;
    text-align: right;
  }

  tbody tr:last-child > * {
    border-bottom: 0;
  }

  th:first-child {
    padding-left: 0;
    text-align: left;
  }

  thead th {
    color: var(--way, var(--ink-soft));
    font-weight: 600;
  }

  td.differs {
    font-weight: 700;
  }

  .timeline {
    position: relative;
    display: grid;
    grid-template-columns: minmax(0, 1fr) minmax(9.5rem, 15rem) minmax(0, 1fr);
    column-gap: 0.25rem;
  }

  .timeline.single {
    grid-template-columns: minmax(0, 1fr) minmax(10rem, 1.4fr);
  }

  .heads {
    display: grid;
    grid-template-columns: repeat(7, minmax(0, 1fr));
    align-items: end;
    justify-items: center;
    height: 7.75rem;
    padding-bottom: 0.25rem;
    color: var(--ink-soft);
    font-size: 0.6875rem;
  }

  .heads span {
    writing-mode: vertical-rl;
    rotate: 180deg;
    white-space: nowrap;
  }

  .middle {
    display: grid;
    align-content: end;
    padding-bottom: 0.25rem;
    text-align: center;
  }

  .middle b {
    color: var(--way);
    font-weight: 600;
  }

  .steps {
    display: grid;
    grid-auto-rows: var(--row);
    margin: 0;
    padding: 0;
    list-style: none;
  }

  .steps button {
    /* What is walked to stays clear of the card that says what it is. */
    scroll-margin: 17rem 0 2rem;
    display: block;
    width: 100%;
    height: 100%;
    padding: 0 0.375rem;
    overflow: hidden;
    border: 0;
    border-radius: 0.25rem;
    background: none;
    color: inherit;
    font: inherit;
    font-size: 0.75rem;
    text-align: center;
    text-overflow: ellipsis;
    white-space: nowrap;
    cursor: pointer;
  }

  .single .steps button {
    text-align: left;
  }

  .steps button:hover {
    background: var(--raised);
  }

  .steps button[aria-current="step"] {
    background: var(--accent-soft);
    font-weight: 600;
  }

  .steps .inferred {
    color: var(--ink-soft);
    font-style: italic;
  }

  svg.lanes {
    display: block;
    width: 100%;
    overflow: visible;
  }

  .lane {
    stroke: var(--line);
    stroke-width: 1;
  }

  .band {
    fill: var(--accent-soft);
  }

  .path {
    stroke: var(--way);
    stroke-width: 1.5;
    opacity: 0.55;
  }

  .path.inferred {
    stroke-dasharray: 3 3;
  }

  .dot {
    fill: var(--way);
    stroke: var(--surface);
    stroke-width: 1.5;
    cursor: pointer;
  }

  .dot.inferred {
    fill: var(--surface);
    stroke: var(--way);
    stroke-dasharray: 2.5 2;
  }

  .dot.exit {
    stroke: var(--series-exits);
    stroke-width: 3;
  }

  .token {
    fill: none;
    stroke: var(--ink);
    stroke-width: 2;
    transition:
      cx 0.45s ease-in-out,
      cy 0.45s ease-in-out;
  }

  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 0.125rem 1rem;
    margin: 0.5rem 0 0;
    padding: 0;
    list-style: none;
    color: var(--ink-soft);
    font-size: 0.75rem;
  }

  .legend svg {
    width: 0.875rem;
    height: 0.875rem;
    margin-right: 0.25rem;
    vertical-align: -0.125rem;
    overflow: visible;
    --way: var(--ink-soft);
  }

  .now {
    position: sticky;
    top: 0;
    z-index: 1;
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr));
    gap: 0.375rem 1.25rem;
    min-height: 8rem;
  }

  .now h3 {
    grid-column: 1 / -1;
    font-size: 0.9375rem;
    font-weight: 600;
  }

  .now h3 small {
    color: var(--ink-soft);
    font-size: 0.75rem;
    font-weight: 400;
  }

  .now article {
    min-width: 0;
    padding-left: 0.625rem;
    border-left: 3px solid var(--way);
  }

  .now article.absent {
    border-left-color: var(--line);
  }

  .now h4 {
    margin: 0;
    color: var(--way);
    font-size: 0.75rem;
    font-weight: 600;
  }

  .now p {
    margin: 0.125rem 0;
    overflow-wrap: anywhere;
  }

  .now .event {
    font-family: var(--mono);
    font-size: 0.75rem;
  }

  .tag {
    display: inline-block;
    margin-right: 0.25rem;
    padding: 0 0.375rem;
    border: 1px solid var(--line-strong);
    border-radius: 1rem;
    font-size: 0.6875rem;
  }

  .tag.inferred {
    border-style: dashed;
  }

  .tag.exit {
    border-color: var(--series-exits);
    color: var(--series-exits);
    font-weight: 600;
  }

  details {
    margin-top: 0.25rem;
    font-size: 0.75rem;
  }

  summary {
    cursor: pointer;
    text-decoration: underline;
    text-decoration-color: var(--line-strong);
    text-underline-offset: 0.2em;
  }

  .problem {
    color: var(--bad);
  }

  @media (max-width: 30rem) {
    .timeline {
      grid-template-columns: minmax(0, 1fr) minmax(7.5rem, 9.5rem) minmax(0, 1fr);
    }

    .steps button {
      font-size: 0.6875rem;
      line-height: 0.8125rem;
      white-space: normal;
    }

    :host {
      --row: 2rem;
    }
  }
`;
