/** Nodes in shadow trees and frames, without a browser; the real thing is tested in one. */

import { beforeEach, expect, it, vi } from "vitest";

import { Enclosure } from "../src/enclosure";

const BLOCK = ".block";
const MASK = ".mask";
const documentOfThePage = {};

/** A node in a tree whose host matches a selector; null is the page's own document. */
function nodeIn(host: unknown): Node {
  return { getRootNode: () => (host === null ? documentOfThePage : { host }) } as unknown as Node;
}

function hostMatching(selector: string, outer: unknown = null): unknown {
  return Object.assign(nodeIn(outer), {
    closest: (wanted: string) => (wanted === selector ? {} : null),
  });
}

const frame = {
  getRootNode: () => ({ defaultView: { frameElement: hostMatching(BLOCK) } }),
} as unknown as Node;
const nodes = new Map<number, Node>([
  [1, nodeIn(null)],
  [2, nodeIn(hostMatching(BLOCK))],
  [3, nodeIn(hostMatching(MASK))],
  [4, nodeIn(hostMatching(MASK, hostMatching(BLOCK)))],
  [5, frame],
]);

beforeEach(() => {
  vi.stubGlobal("document", documentOfThePage);
});

it("takes blocked nodes out of a mutation and masks masked ones", () => {
  const ids = [...nodes.keys(), 99];
  const event = {
    type: 3,
    data: {
      source: 0,
      adds: ids.map((id) => ({
        node: { id, textContent: "a b", childNodes: [{ textContent: "c" }] },
      })),
      texts: ids.map((id) => ({ id, value: "a b" })),
      attributes: ids.map((id) => ({ id, attributes: { title: "t" } })),
      removes: ids.map((id) => ({ id, parentId: 1 })),
    },
  };
  expect(new Enclosure((id) => nodes.get(id) ?? null, BLOCK, MASK).clean(event)).toBe(true);
  expect(event.data.texts).toEqual([
    { id: 1, value: "a b" },
    { id: 3, value: "* *" },
    { id: 99, value: "a b" },
  ]);
  expect(event.data.adds.map(({ node }) => [node.id, node.textContent])).toEqual([
    [1, "a b"],
    [3, "* *"],
    [99, "a b"],
  ]);
  expect(event.data.adds[1]!.node.childNodes[0]!.textContent).toBe("*");
  expect(event.data.attributes.map(({ id }) => id)).toEqual([1, 3, 99]);
  expect(event.data.removes).toHaveLength(ids.length);
});

it.each([
  [1, true],
  [2, false],
  [3, true],
  [4, false],
  [5, false],
])("typing into node %d: kept is %s", (id, kept) => {
  const enclosure = new Enclosure((one) => nodes.get(one) ?? null, BLOCK, MASK);
  expect(enclosure.clean({ type: 3, data: { source: 5, id, text: "*" } })).toBe(kept);
});
