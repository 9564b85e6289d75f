/** What a page does with the element: hears of its start, runs a command, reads counters, switches interrupts. */
import "./doorbell/doorbell-vm.js";

const vm = document.querySelector("doorbell-vm");
const measure = document.querySelector("#measure");
const toggle = document.querySelector("#switch");
const state = document.querySelector("#state");

vm.addEventListener("doorbell-phase", ({ detail }) => {
  state.textContent = `${detail.phase} after ${Math.round(detail.milliseconds)} ms`;
  if (detail.phase === "ready") measure.disabled = toggle.disabled = false;
});
vm.addEventListener("doorbell-problem", ({ detail }) => {
  state.textContent = `${detail.title}: ${detail.detail}`;
});
vm.addEventListener("doorbell-mode", ({ detail }) => {
  toggle.textContent = `Switch to ${detail.interrupts === "msi" ? "the wire" : "MSI"}`;
  state.textContent = `Devices use ${detail.interrupts}`;
});

measure.addEventListener("click", async () => {
  measure.disabled = true;
  const before = vm.metrics();
  await vm.exec("tcp_rr -H 10.0.2.2 -l 1 -r 32,1024");
  const after = vm.metrics();
  const transactions = after.peer.transactions - before.peer.transactions;
  const exits = after.devices.net0.exits.total - before.devices.net0.exits.total;
  const row = document.querySelector("#results").insertRow();
  for (const text of [vm.interrupts, String(transactions), (exits / transactions).toFixed(2)]) {
    row.insertCell().textContent = text;
  }
  measure.disabled = false;
});

toggle.addEventListener("click", () => {
  vm.interrupts = vm.interrupts === "msi" ? "wired" : "msi";
});
