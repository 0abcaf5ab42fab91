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
    } else if (item.nodeType === DOCUMENT_TYPE) {
      write(`<!doctype ${(item as DocumentType).name}>\n`);
    } else if (item.nodeType === TEXT) {
      const inRaw = RAW.has(item.parentNode?.nodeName.toLowerCase() ?? "");
      const text = item.nodeValue ?? "";
      write(inRaw ? text.replace(/<(?=[/!])/g, "\\3c ") : escaped(text));
    } else if (item.nodeType !== ELEMENT) {
      work.push(...[...item.childNodes].reverse());
    } else if (!isOwn(item)) {
      const element = item as Element;
      const name = element.localName;
      write(`<${name}${attributesOf(element)}>`);
      if (!VOID.has(name)) {
        work.push(`</${name}>`, ...[...element.childNodes].reverse(), ...insideOf(element));
      }
    }
  }
  return parts.join("");
}

function insideOf(element: Element): (Node | string)[] {
  if (element.shadowRoot !== null) {
    return ["</template>", element.shadowRoot, '<template shadowrootmode="open">'];
  }
  const inner = element.localName === "iframe" && (element as HTMLIFrameElement).contentDocument;
  return inner ? [inner] : [];
}

function attributesOf(element: Element): string {
  return [...element.attributes]
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
