import { expect, it } from "vitest";
import { endsWithPrompt } from "./peer-boot.ts";

it("knows a prompt, also with a colour after it, and nothing else for one", () => {
  for (const text of ["/root # ", "~ $ ", "Welcome\r\n\x1b[1m/root # \x1b[0m", "# \x1b[6n"])
    expect(endsWithPrompt(text), text).toBe(true);
  for (const text of ["", "#", "# ls", "[ 0.1] Linux # 1 SMP", "/root # \r\n"])
    expect(endsWithPrompt(text), text).toBe(false);
});
