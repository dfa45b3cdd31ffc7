/**
 * What a server knows of a conversation besides the results of guarded calls: it has to say so itself. Messages that reach
 * a tool through a framework may come from a browser, a summary, a retrieved document or another agent.
 * @module
 */
import { processState } from '../process-state.ts';

/** In the application's own words: what it vouches for. */
export interface Heard {
  /** What this user wrote, as your server got it from them. */
  readonly user?: readonly string[];
  /** Your own instructions to the model, without anything that was filled in from elsewhere. */
  readonly system?: readonly string[];
}

/** Read when a rule or an approval needs it, and again for each call. A throw means: nothing was heard. */
export type HeardSource = Heard | (() => Heard);

/** What an adapter saw of the conversation at the call, of those roles that the application told it to trust. */
export interface Observed {
  readonly user: readonly string[];
}

/**
 * Whether the body of a guarded call is running around this one: what a sub-agent gets as a user's message is then what
 * another model wrote.
 */
export function insideGuardedCall(): boolean {
  return processState().call.getStore() !== undefined;
}

/** Only texts, whatever a resolver answers. */
export function textsOf(texts: readonly string[] | undefined): readonly string[] {
  return Array.isArray(texts) ? texts.filter((text: unknown): text is string => typeof text === 'string') : [];
}
