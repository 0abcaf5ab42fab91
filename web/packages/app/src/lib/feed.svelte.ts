/** One of a recording's feeds, read a page at a time until all is here. */

import { ask, isAbort, recordingApi, wordsOf, type FeedPage } from "./api";

/** Rows asked for at once; the server's most. */
const PAGE_ROWS = 1000;
/** The first page is small, so that something is seen soon. */
const FIRST_ROWS = 200;
/** Rows kept; the rest is in the exports. */
export const MAX_ROWS = 50_000;

export interface FeedRow {
  readonly timestamp_ms: number;
  readonly offset_ms: number;
  readonly window_id: string;
}

/** What a list of rows is shown from. */
export interface Readable<T extends FeedRow> {
  readonly rows: readonly T[];
  /** Rows there are; null before the first answer. */
  readonly total: number | null;
  readonly isLoading: boolean;
  readonly error: string | null;
  load(): void;
  reload(): void;
}

export class Feed<T extends FeedRow> implements Readable<T> {
  rows = $state.raw<readonly T[]>([]);
  /** Rows there are; null before the first answer. */
  total = $state<number | null>(null);
  isLoading = $state(false);
  error = $state<string | null>(null);
  private stopping: AbortController | null = null;
  private wasRead = false;

  constructor(
    readonly name: string,
    private readonly project: string,
    private readonly id: string,
    /** More of the query, such as which version of a live recording. */
    private readonly more: () => string,
  ) {}

  /** Read it, unless it was read. */
  load(): void {
    if (!this.wasRead) {
      this.wasRead = true;
      void this.read();
    }
  }

  /** Read it again: the recording has grown. What is shown stays until the new is here. */
  reload(): void {
    if (this.wasRead) {
      this.stop();
      void this.read();
    }
  }

  stop(): void {
    this.stopping?.abort();
  }

  private async read(): Promise<void> {
    const stopping = new AbortController();
    this.stopping = stopping;
    this.isLoading = true;
    this.error = null;
    const isFirst = this.total === null;
    const rows: T[] = [];
    try {
      let offset: number | null = 0;
      while (offset !== null && rows.length < MAX_ROWS) {
        const limit = offset === 0 ? FIRST_ROWS : PAGE_ROWS;
        const page: FeedPage<T> = await ask(
          "GET",
          `${recordingApi(this.project, this.id)}/feeds/${this.name}` +
            `?offset=${offset}&limit=${limit}${this.more()}`,
          undefined,
          stopping.signal,
        );
        rows.push(...page.items);
        offset = page.next_offset;
        this.total = page.total;
        if (isFirst || offset === null || rows.length >= MAX_ROWS) {
          this.rows = [...rows];
        }
      }
      this.isLoading = false;
    } catch (error) {
      if (!isAbort(error)) {
        this.error = wordsOf(error);
        this.isLoading = false;
        this.wasRead = false;
      }
    }
  }
}

/** Two feeds as one, in order of time. */
export class Joined<T extends FeedRow, U extends FeedRow> implements Readable<T | U> {
  readonly rows: readonly (T | U)[] = $derived.by(() =>
    [...this.one.rows, ...this.other.rows].sort((a, b) => a.timestamp_ms - b.timestamp_ms),
  );

  constructor(
    private readonly one: Readable<T>,
    private readonly other: Readable<U>,
  ) {}

  get total(): number | null {
    return this.one.total === null || this.other.total === null
      ? null
      : this.one.total + this.other.total;
  }

  get isLoading(): boolean {
    return this.one.isLoading || this.other.isLoading;
  }

  get error(): string | null {
    return this.one.error ?? this.other.error;
  }

  load(): void {
    this.one.load();
    this.other.load();
  }

  reload(): void {
    this.one.reload();
    this.other.reload();
  }
}
