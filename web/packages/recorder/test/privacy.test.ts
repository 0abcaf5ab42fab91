import { expect, it } from "vitest";

import {
  cleanEvent,
  maskInput,
  REDACTED,
  sanitizeFormData,
  sanitizeUrl,
  SensitiveNames,
} from "../src/privacy";

const names = new SensitiveNames();
const strict = { maskAllInputs: true, names, maskSelector: ".ph-mask" };
const loose = { ...strict, maskAllInputs: false };

function field(attributes: Record<string, string>, isMarked = false): Element {
  return {
    attributes: Object.entries(attributes).map(([name, value]) => ({ name, value })),
    closest: () => (isMarked ? {} : null),
  } as unknown as Element;
}

it.each(["password", "userPassword", "new-password", "card", "Card Number", "cc_card", "token"])(
  "redacts %s",
  (name) => {
    expect(sanitizeFormData({ [name]: "x" })).toEqual({ [name]: REDACTED });
  },
);

it.each(["ssn", "SSN_last4", "cvv", "apiKey", "pin", "client_secret", "Authorization"])(
  "redacts %s",
  (name) => {
    expect(sanitizeFormData([{ deep: { [name]: { a: 1 } } }])).toEqual([
      { deep: { [name]: REDACTED } },
    ]);
  },
);

it.each(["name", "shipping", "email", "author", "company"])("keeps %s", (name) => {
  expect(sanitizeFormData({ [name]: "x" })).toEqual({ [name]: "x" });
});

it("redacts names of the page's own, and leaves the original alone", () => {
  const data = { customer_IBAN: "DE00", total: 1, when: new Date(0), none: null };
  expect(sanitizeFormData(data, ["iban"])).toEqual({
    customer_IBAN: REDACTED,
    total: 1,
    when: "1970-01-01T00:00:00.000Z",
    none: null,
  });
  expect(data.customer_IBAN).toBe("DE00");
});

it("takes form data, and anything else that is no plain JSON", () => {
  const form = new FormData();
  form.append("a", "1");
  form.append("a", "2");
  form.append("password", "x");
  form.append("file", new Blob(["x"], { type: "text/plain" }));
  expect(sanitizeFormData(form)).toEqual({
    a: ["1", "2"],
    password: REDACTED,
    file: "[file text/plain]",
  });
  const circular: Record<string, unknown> = { big: 10n };
  circular["self"] = circular;
  expect(sanitizeFormData(circular)).toEqual({ big: "10", self: "[circular]" });
  let deep: unknown = { password: "x" };
  for (let level = 0; level < 1000; level++) {
    deep = [deep];
  }
  expect(JSON.stringify(sanitizeFormData(deep))).not.toContain("x");
});

it("is idempotent", () => {
  const once = sanitizeFormData({ a: [{ token: 1 }], b: "x" });
  expect(sanitizeFormData(once)).toEqual(once);
});

it.each([
  ["https://a.example/x", "https://a.example/x"],
  ["https://a.example/?a=1&token=t#b", "https://a.example/?a=1&token=redacted#b"],
  ["https://a.example/#access_token=t&state=1", "https://a.example/#access_token=redacted&state=1"],
  ["https://a.example/?api%5Fkey=t", "https://a.example/?api%5Fkey=redacted"],
  ["https://a.example/?%zz=1&pwd=2", "https://a.example/?%zz=1&pwd=redacted"],
])("takes secrets out of %s", (href, expected) => {
  expect(sanitizeUrl(href, names)).toBe(expected);
});

it("masks every field by default, secrets without their length", () => {
  expect(maskInput("anna", field({ name: "nick" }), strict)).toBe("****");
  expect(maskInput("x", field({ type: "hidden" }), strict)).toBe("*");
  expect(maskInput("Send", field({ type: "submit" }), strict)).toBe("Send");
  expect(maskInput("", field({}), strict)).toBe("");
  for (const attributes of [
    { type: "password" },
    { "data-rr-is-password": "true", type: "text" },
    { name: "cardnumber" },
    { autocomplete: "section-a cc-number" },
    { "aria-label": "Social Security (SSN)" },
  ]) {
    expect(maskInput("1", field(attributes), strict)).toBe("********");
    expect(maskInput("1", field(attributes), loose)).toBe("********");
  }
  expect(maskInput("anna", null, loose)).toBe("********");
  expect(maskInput("anna", field({ name: "nick" }), loose)).toBe("anna");
  expect(maskInput("anna", field({ name: "nick" }, true), loose)).toBe("****");
});

it("looks at every serialised field again", () => {
  const input = (attributes: object) => ({ type: 2, tagName: "input", attributes, childNodes: [] });
  const node = {
    type: 0,
    childNodes: [
      input({ value: "left over" }),
      input({ value: "*****" }),
      input({ type: "password", value: "secret" }),
      input({ type: "checkbox", value: "yes" }),
      input({ type: "button", value: "Go" }),
      {
        type: 2,
        tagName: "textarea",
        attributes: {},
        childNodes: [{ type: 3, textContent: "draft" }],
      },
      { type: 2, tagName: "li", attributes: { value: 3 }, childNodes: [] },
    ],
  };
  const event = { type: 2, data: { node } };
  cleanEvent(event, strict);
  const [a, b, c, d, e, area, item] = node.childNodes as {
    attributes: Record<string, unknown>;
    childNodes: { textContent?: string }[];
  }[];
  expect([a, b, c, d, e, item].map((one) => one!.attributes["value"])).toEqual([
    "*********",
    "*****",
    "********",
    "yes",
    "Go",
    3,
  ]);
  expect(area!.childNodes[0]!.textContent).toBe("*****");
});
