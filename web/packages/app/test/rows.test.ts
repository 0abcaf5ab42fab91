import { describe, expect, test } from "vitest";

import { linesOf, MAX_LINE_CHARS } from "../src/lib/markup";
import { linesOfSettings } from "../src/lib/privacy";
import { indented, llmDetails, turnText, type LlmRow } from "../src/lib/rows";
import { barsOf } from "../src/lib/sparkline";

describe("what was said to a model", () => {
  test.each([
    ["hello", "hello"],
    [null, ""],
    [
      [
        { role: "user", content: "hi" },
        { role: "assistant", content: "yes?" },
      ],
      "user: hi\n\nassistant: yes?",
    ],
    [[{ role: "user", content: [{ type: "text", text: "look" }] }], "user: look"],
    [{ answer: 42 }, '{\n  "answer": 42\n}'],
  ])("%j", (value, text) => {
    expect(turnText(value)).toBe(text);
  });

  test("details leave out what was not recorded", () => {
    const row: LlmRow = {
      timestamp_ms: 1,
      offset_ms: 0,
      window_id: "",
      event: "$ai_generation",
      trace_id: "",
      span_id: "",
      name: "",
      model: "m-1",
      provider: "",
      input: "q",
      output: null,
      input_tokens: 3,
      output_tokens: null,
      cost_usd: null,
      latency_s: null,
      is_error: false,
      error: "",
    };
    expect(llmDetails(row)).toEqual([
      ["model", "m-1"],
      ["cost", "3 tokens in"],
      ["input", "q"],
    ]);
  });
});

describe("a page as lines", () => {
  test("are indented as they are nested", () => {
    expect(linesOf('<html><body><br><p class="a>b">Hi  <b>you</b></p></body></html>')).toEqual([
      "<html>",
      "  <body>",
      "    <br>",
      '    <p class="a>b">',
      "      Hi",
      "      <b>",
      "        you",
      "      </b>",
      "    </p>",
      "  </body>",
      "</html>",
    ]);
  });

  test.each(["<", "<p", "</p></p>", "<!-- <p> -->x", "<p title='", "a < b"])(
    "any text ends: %j",
    (text) => {
      expect(linesOf(text).join("").replace(/\s/g, "")).toBe(text.replace(/\s/g, ""));
    },
  );

  test("are cut where nobody reads on", () => {
    const [line] = linesOf(`<img src="${"x".repeat(10_000)}">`);
    expect(line!.length).toBe(MAX_LINE_CHARS + 1);
  });
});

test("JSON is indented, and anything else left as it is", () => {
  expect(indented('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(indented("{a")).toBe("{a");
});

test("a sparkline has a bar for each part, within its height", () => {
  const { path, width } = barsOf("059x", 18);
  expect(path.match(/M/g)).toHaveLength(4);
  expect(path).toContain("v-18h");
  expect(path).not.toContain("NaN");
  expect(width).toBe(11);
});

test("settings of a project are said in words, unknown ones by their name", () => {
  const lines = linesOfSettings({
    enabled: true,
    sample_rate: 0.25,
    mask_inputs: false,
    mask_text_selector: "*",
    url_triggers: [],
    url_blocklist: ["/admin"],
    canvas_quality: 0.4,
    new_thing: { a: 1 },
  });
  expect(lines).toEqual([
    ["Recording", "on"],
    ["Share of sessions recorded", "25 %"],
    ["What is typed", "recorded as it is"],
    ["Masked text", "all text"],
    ["Pauses on addresses like", "/admin"],
    ["new thing", '{"a":1}'],
  ]);
});
