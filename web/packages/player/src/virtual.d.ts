/** Made by build.mjs, both ASCII text. */
declare module "virtual:frame-document" {
  /** The document of the frame: its policy, its styles, and `frame/boot.js`. */
  export const FRAME_DOCUMENT: string;
  /** `frame/main.ts` and all it needs; the document's policy names it by hash. */
  export const FRAME_PROGRAM: string;
}

declare module "*.css?inline" {
  const css: string;
  // eslint-disable-next-line no-restricted-exports -- Vite's shape of a stylesheet import
  export default css;
}

declare module "*.css" {}
