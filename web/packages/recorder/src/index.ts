/** What the package promises. */

export type { Finding, FindingCode } from "./findings";
export { onPostHogSession } from "./posthog";
export type { PostHogLike, PostHogSessionOptions } from "./posthog";
export { sanitizeFormData } from "./privacy";
export { SessionRecorder } from "./recorder";
export type { PlayOptions, RecorderOptions } from "./options";
export type { ExportFormat } from "./exporting";
export type { SessionRecord } from "./store";
