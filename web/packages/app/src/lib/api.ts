/** The server's API, as docs/reference/http.md describes it. */

export interface Recording {
  readonly project: string;
  readonly id: string;
  readonly session_id: string;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly duration_ms: number;
  readonly first_url: string | null;
  readonly distinct_id: string | null;
  readonly person_label: string | null;
  readonly events: number;
  readonly windows: number;
  readonly clicks: number;
  readonly inputs: number;
  readonly errors: number;
  readonly llm_events: number;
  readonly signals: readonly string[];
  readonly frustration: number | null;
  readonly sparkline: string;
  readonly tags: readonly string[];
  readonly snapshot_source: string;
  readonly source: string;
  readonly complete: boolean;
  readonly archived_bytes: number;
  readonly created_ms: number;
  readonly live: boolean;
}

export interface RecordingPage {
  readonly recordings: readonly Recording[];
  readonly next_after: string | null;
}

export interface Note {
  readonly id: string;
  readonly author: string;
  readonly text: string;
  readonly at_ms: number | null;
  readonly created_ms: number;
  readonly edited_ms: number | null;
}

export interface Finding {
  readonly code: string;
  readonly count: number;
  readonly detail: string;
}

/** Of manifest.json (spec/recording.md), what the app shows. */
export interface Manifest {
  readonly events: number;
  readonly raw_bytes: number;
  readonly windows: readonly { readonly window_id: string; readonly events: number }[];
  readonly urls: readonly string[];
  readonly viewport: { readonly width: number; readonly height: number } | null;
  readonly source: Readonly<Record<string, unknown>>;
  readonly missing: readonly string[];
  readonly findings: readonly Finding[];
  readonly rejected: Readonly<Record<string, number>>;
  readonly privacy: readonly Readonly<Record<string, unknown>>[];
  readonly software: string;
  readonly assets: { readonly stored: number; readonly missing: readonly unknown[] } | null;
}

export interface Detail {
  readonly recording: Recording;
  readonly manifest: Manifest;
  readonly summary: {
    readonly clicks: number;
    readonly inputs: number;
    readonly console_errors: number;
    readonly pages: number;
    readonly windows: number;
    readonly archived_bytes: number;
    readonly playable: boolean;
    readonly has_assets: boolean;
  };
  readonly tags: readonly string[];
  readonly notes: readonly Note[];
  readonly person_properties: Readonly<Record<string, unknown>>;
  readonly events_url: string;
  readonly assets_url: string | null;
  readonly live: boolean;
  readonly support_link: string | null;
}

export interface FeedPage<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly next_offset: number | null;
}

export interface Project {
  readonly name: string;
  readonly tokens: readonly string[];
  readonly is_configured: boolean;
  readonly recordings: number;
  readonly live: number;
  readonly retention_days: number;
  readonly autocapture: boolean;
  readonly recording: Readonly<Record<string, unknown>>;
  readonly snippet: string;
}

export interface Storage {
  readonly archive_url: string;
  readonly archive_id: string;
  readonly catalog: string;
  readonly recordings: number;
  readonly live_sessions: number;
  readonly inbox_bytes: number | null;
  readonly inbox_max_bytes: number | null;
  readonly is_capturing: boolean;
  readonly tee: string | null;
  readonly archived_bytes: number;
  readonly raw_bytes: number;
  readonly incomplete: number;
  readonly version: string;
}

export interface Session {
  readonly signed_in: boolean;
  readonly sign_in_needed: boolean;
  readonly setup_needed: boolean;
  readonly name: string | null;
  readonly role: string | null;
  readonly scopes: readonly string[];
  readonly projects: readonly string[] | null;
  readonly may_share: boolean;
  /** Where the shop of `replayport demo` is; null elsewhere. */
  readonly demo_shop: string | null;
}

export interface Share {
  readonly id: string;
  readonly created_by: string;
  readonly created_ms: number;
  readonly expires_ms: number | null;
  readonly revoked_ms: number | null;
  readonly is_good: boolean;
  readonly has_password: boolean;
  readonly start_ms: number | null;
  readonly end_ms: number | null;
  readonly show: string;
  readonly embed_in: readonly string[];
  readonly live: boolean;
  /** Redaction of what it shows; empty for the server's. */
  readonly profile: string;
  readonly opened: number;
  readonly url: string;
  readonly iframe: string;
}

export interface User {
  readonly name: string;
  readonly role: string;
  readonly projects: readonly string[];
  readonly created_ms: number;
  readonly is_disabled: boolean;
  readonly has_password: boolean;
}

export interface Token {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly scopes: readonly string[];
  readonly projects: readonly string[];
  readonly created_ms: number;
  readonly expires_ms: number | null;
  readonly last_used_ms: number | null;
}

export interface AuditEntry {
  readonly seq: number;
  readonly at_ms: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What the server said it could not do, in its own words. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    message: string,
    /** One of docs/reference/http.md's reasons; `unreachable` when nobody answered. */
    readonly code: string,
    readonly status: number,
  ) {
    super(message);
  }
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * Ask the server.
 *
 * @throws ApiError It refused, or did not answer.
 */
export async function ask<T>(
  method: Method,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      throw error;
    }
    throw new ApiError(
      "The server does not answer. Is `replayport serve` running?",
      "unreachable",
      0,
    );
  }
  if (!answer.ok) {
    throw await refusal(answer);
  }
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

async function refusal(answer: Response): Promise<ApiError> {
  const said = (await answer.json().catch(() => ({}))) as { error?: unknown; reason?: unknown };
  const text =
    typeof said.error === "string" ? said.error : `The server answered ${answer.status}.`;
  return new ApiError(
    text,
    typeof said.reason === "string" ? said.reason : "failed",
    answer.status,
  );
}

/** Words for whatever was thrown. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? sentence(error.message) : "Something went wrong.";
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** The path of a recording in the API. */
export function recordingApi(project: string, id: string): string {
  return `/api/recordings/${encodeURIComponent(project)}/${encodeURIComponent(id)}`;
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?`)]$/.test(begun) ? begun : `${begun}.`;
}
