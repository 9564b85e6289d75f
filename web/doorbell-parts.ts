/** What stands around the terminal. It comes after it: a machine that is brought back is in use before the page is complete. */
import "./doorbell-chart.ts";
import "./doorbell-controls.ts";
import "./doorbell-segmented.ts";
import "./doorbell-views.ts";
