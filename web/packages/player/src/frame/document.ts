/**
 * The page drawn just now, as text for somebody to read.
 *
 * What was sanitised is written out, with what the page holds in shadow roots and inner
 * frames. It is still text of a stranger's page: to be shown as text, never as markup.
 */

import { MAX_PAGE_CHARS } from "./protocol";

const ELEMENT = 1;
const TEXT = 3;
const DOCUMENT_TYPE = 10;

const VOID: ReadonlySet<string> = new Set(
  "area base br col embed hr img input link meta param source track wbr".split(" "),
);
/** Their text is no markup to a browser. */
const RAW: ReadonlySet<string> = new Set(["style", "xmp", "iframe", "noembed", "noframes"]);

const CUT = "\n<!-- cut -->";

/**
 * A recorded form's inputs, or a document's images, hide its properties under their names;
 * what the prototypes say is always about the node.
 */
const of = {
  nodeType: getterOf(Node.prototype, "nodeType"),
  nodeName: getterOf(Node.prototype, "nodeName"),
  nodeValue: getterOf(Node.prototype, "nodeValue"),
  parentNode: getterOf(Node.prototype, "parentNode"),
  lastChild: getterOf(Node.prototype, "lastChild"),
  previousSibling: getterOf(Node.prototype, "previousSibling"),
  localName: getterOf(Element.prototype, "localName"),
  attributes: getterOf(Element.prototype, "attributes"),
  shadowRoot: getterOf(Element.prototype, "shadowRoot"),
};

function getterOf<T extends object, K extends keyof T>(prototype: T, name: K): (node: T) => T[K] {
  const property = Object.getOwnPropertyDescriptor(prototype, name);
  if (property?.get === undefined) {
    throw new TypeError(`this browser's DOM has no ${String(name)}`);
  }
  return (node) => property.get?.call(node) as T[K];
}

/** Those of rrweb's own elements and classes that are no part of the recorded page. */
const OWN_CLASS = "rrweb-paused";

/** Give a document as text, at most `MAX_PAGE_CHARS` of it. */
export function documentText(document: Document, isOwn: (node: Node) => boolean): string {
  const parts: string[] = [];
  let chars = 0;
  const write = (text: string): void => {
    parts.push(text);
    chars += text.length;
  };
  // Closing tags wait in the same list; a stack, so that no depth can overflow another one.
  const work: (Node | string)[] = [document];
  for (let item = work.pop(); item !== undefined; item = work.pop()) {
    if (chars > MAX_PAGE_CHARS) {
      return `${parts.join("").slice(0, MAX_PAGE_CHARS - CUT.length)}${CUT}`;
    }
    if (typeof item === "string") {
      write(item);
    } else if (of.nodeType(item) === DOCUMENT_TYPE) {
      write(`<!doctype ${(item as DocumentType).name}>\n`);
    } else if (of.nodeType(item) === TEXT) {
      const parent = of.parentNode(item);
      const inRaw = parent !== null && RAW.has(of.nodeName(parent).toLowerCase());
      const text = of.nodeValue(item) ?? "";
      write(inRaw ? text.replace(/<(?=[/!])/g, "\\3c ") : escaped(text));
    } else if (of.nodeType(item) !== ELEMENT) {
      pushChildren(work, item);
    } else if (!isOwn(item)) {
      const element = item as Element;
      const name = of.localName(element);
      write(`<${name}${attributesOf(element)}>`);
      if (!VOID.has(name)) {
        work.push(`</${name}>`);
        pushChildren(work, element);
        work.push(...insideOf(element));
      }
    }
  }
  return parts.join("");
}

/** The first one on top; one by one, as a hundred thousand arguments overflow the stack. */
function pushChildren(work: (Node | string)[], node: Node): void {
  for (let child: Node | null = of.lastChild(node); child !== null;) {
    work.push(child);
    child = of.previousSibling(child);
  }
}

function insideOf(element: Element): (Node | string)[] {
  const shadow = of.shadowRoot(element);
  if (shadow !== null) {
    return ["</template>", shadow, '<template shadowrootmode="open">'];
  }
  const inner =
    of.localName(element) === "iframe" && (element as HTMLIFrameElement).contentDocument;
  return inner ? [inner] : [];
}

function attributesOf(element: Element): string {
  return [...of.attributes(element)]
    .map(({ name, value }) => {
      const kept =
        name === "class"
          ? value.replace(OWN_CLASS, "").trim()
          : name.startsWith("rr_")
            ? ""
            : value;
      const isLeftOut = kept === "" && value !== "";
      return isLeftOut ? "" : ` ${name}="${escaped(kept).replaceAll('"', "&quot;")}"`;
    })
    .join("");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
