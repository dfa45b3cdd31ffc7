/**
 * What the guarded calls of one run were given and answered. Results go one by one, the oldest first; what calls were
 * given stays as a whole, or not at all: without it a result could not be told from a repetition.
 * @module
 */

/** One of the two, in the order of what happened: a call began with these arguments, or ended with this result. */
export interface ObservedResult {
  readonly tool: { readonly name: string; readonly source: string };
  /** The result as JSON; empty where a call began. */
  readonly text: string;
  /** The arguments of the call, as JSON; empty where it ended. */
  readonly given: string;
}

export interface ResultsOfRun {
  /** Oldest first. */
  readonly results: readonly ObservedResult[];
  /** Whether it is known what every call that this process saw was given. */
  readonly complete: boolean;
}

/** Ages in milliseconds, lengths in UTF-16 units. */
export interface RunLimits {
  readonly maxResultAge: number;
  readonly maxResults: number;
  readonly maxResultLength: number;
  /** All results together. */
  readonly maxResultsLength: number;
  readonly maxCalls: number;
  /** All arguments together. */
  readonly maxGivenLength: number;
}

export interface RunRecorder {
  /** Of everything that is kept, also of what keeping it takes. */
  length(): number;
  began(tool: ObservedResult['tool'], given: string): void;
  ended(tool: ObservedResult['tool'], text: string, now: number): void;
  read(now: number): ResultsOfRun;
}

/** What an event takes besides its text, as UTF-16 units. */
const eventLength = 200;

/** @param complete false when what calls of this run were given was lost before */
export function createRunRecorder(limits: RunLimits, complete: boolean): RunRecorder {
  let events: (ObservedResult & { readonly at: number })[] = [];
  const calls = { complete, count: 0, length: 0 };
  const results = { count: 0, length: 0 };
  /** What is given again is known already: it was given when the first of these calls was. */
  const givens = new Set<string>();

  const forgetOldestResult = (): void => {
    const [oldest] = events.splice(
      events.findIndex(({ text }) => text !== ''),
      1,
    );
    results.count -= 1;
    results.length -= oldest?.text.length ?? 0;
  };

  return {
    length: () => calls.length + results.length + eventLength * events.length,
    began(tool, given) {
      if (!calls.complete || givens.has(given)) return;
      calls.count += 1;
      calls.length += given.length;
      if (calls.count <= limits.maxCalls && calls.length <= limits.maxGivenLength) {
        events.push({ tool, text: '', given, at: 0 });
        givens.add(given);
        return;
      }
      events = events.filter(({ text }) => text !== '');
      givens.clear();
      Object.assign(calls, { complete: false, count: 0, length: 0 });
    },
    ended(tool, text, now) {
      if (text === '' || text.length > limits.maxResultLength) return;
      events.push({ tool, text, given: '', at: now });
      results.count += 1;
      results.length += text.length;
      while (results.count > limits.maxResults || results.length > limits.maxResultsLength) forgetOldestResult();
    },
    read: (now) => ({
      results: events.filter(({ text, at }) => text === '' || now - at <= limits.maxResultAge),
      complete: calls.complete,
    }),
  };
}
