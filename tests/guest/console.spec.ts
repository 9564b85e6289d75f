import { afterEach, expect, it } from "vitest";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

it("text reaches the console whole and in order, with less than an exit for each KiB", async () => {
  guest = await bootGuest();
  const lines = Array.from(
    { length: 4000 },
    (_, index) => `line ${index + 1} of the text that goes to the console`,
  );
  const command = `i=0; while [ $i -lt 4000 ]; do i=$((i + 1)); echo "line $i of the text that goes to the console"; done > /tmp/text`;
  expect((await guest.run(command)).status).toBe(0);

  let text = "";
  const decoder = new TextDecoder();
  guest.vm.console.onOutput((bytes) => {
    text += decoder.decode(bytes, { stream: true });
  });
  const before = guest.vm.metrics().devices.console0?.exits.total ?? 0;
  expect((await guest.run("cat /tmp/text > /dev/hvc0")).status).toBe(0);
  const exits = (guest.vm.metrics().devices.console0?.exits.total ?? 0) - before;

  expect(text).toContain(`${lines.join("\r\n")}\r\n`);
  expect(exits).toBeGreaterThan(0);
  expect(exits / (text.length / 1024)).toBeLessThan(1);
});
