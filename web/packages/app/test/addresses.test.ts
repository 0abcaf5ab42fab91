import { describe, expect, test } from "vitest";

import { nextPath, parts, recordingPath, routeOf, safeHref } from "../src/lib/addresses";

describe("an address out of a recording", () => {
  test.each([
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "\u0001javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "blob:https://a.example/1",
    "file:///etc/passwd",
    "//evil.example",
    "/cart",
    "",
    "about:blank",
  ])("is no link: %j", (text) => {
    expect(safeHref(text)).toBeNull();
    expect(parts(text)).toEqual({ host: "", rest: text });
  });

  test("is one when it is http or https", () => {
    expect(safeHref("https://shop.example/a?b#c")).toBe("https://shop.example/a?b#c");
    expect(parts("http://shop.example:8080/a?b")).toEqual({
      host: "shop.example:8080",
      rest: "/a?b",
    });
  });
});

describe("pages of the app", () => {
  test("a recording's path reads back", () => {
    expect(routeOf(recordingPath("a/b", "c d"))).toEqual({
      page: "recording",
      project: "a/b",
      id: "c d",
    });
  });

  test.each([
    ["/", "list"],
    ["/projects", "projects"],
    ["/projects/shop", "projects"],
    ["/settings", "settings"],
    ["/sign-in", "sign-in"],
    ["/setup", "setup"],
    ["/recordings/a", "missing"],
    ["/recordings/a/b/c", "missing"],
    ["/%E0%A4%A", "missing"],
    ["/nothing", "missing"],
  ])("%s is %s", (path, page) => {
    expect(routeOf(path).page).toBe(page);
  });
});

test.each([
  ["/recordings/a/b?t=5", "/recordings/a/b?t=5"],
  ["https://evil.example", "/"],
  ["//evil.example", "/"],
  ["/\\evil.example", "/"],
  ["/a\\b", "/"],
  ["/\t/evil.example", "/"],
  ["javascript:alert(1)", "/"],
  ["", "/"],
  [null, "/"],
])("after signing in, %j leads to %s", (next, path) => {
  expect(nextPath(next)).toBe(path);
});
