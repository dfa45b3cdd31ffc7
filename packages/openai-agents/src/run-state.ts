/**
 * A run that waits, as a signed text. The SDK's own state is a plain document: whoever can write it can approve calls in
 * it. The signature is not what the gate relies on, since it decides again; it keeps forged documents out altogether.
 * @module
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ConfigurationError, KeyError } from '@countersign/core';
import { RunContext, RunState, type Agent } from '@openai/agents';
import { isGuardedAgent, type AgentShape, type ContextOf } from './guard-agent.ts';

const version = 'cs1';
const hour = 3_600_000;

export interface SignRunStateOptions {
  /** Milliseconds for which the text can be resumed. Default one hour. */
  readonly ttlMs?: number;
  /** Milliseconds since the epoch. */
  readonly now?: number;
}

export interface ResumeRunStateOptions<Context> {
  readonly key: Uint8Array;
  /** Supplied anew by the caller; the one in the state is not used. */
  readonly context: Context;
  readonly now?: number;
}

interface Serializable {
  toString(): string;
}

/**
 * `cs1.<expiry>.<signature>.<state>`: HMAC-SHA-256 over version, expiry and state.
 * @param key at least 32 bytes, the same wherever the run may be resumed
 * @throws ConfigurationError when the key is too short or the time to live is no positive number
 */
export function signRunState(state: Serializable, key: Uint8Array, options: SignRunStateOptions = {}): string {
  const { ttlMs = hour, now = Date.now() } = options;
  if (!(ttlMs > 0 && Number.isFinite(ttlMs)))
    throw new ConfigurationError('`ttlMs` must be a positive number of milliseconds');
  const expiry = String(Math.floor(now + ttlMs));
  const text = state.toString();
  return `${version}.${expiry}.${sign(key, expiry, text).toString('base64url')}.${text}`;
}

/**
 * The state of a signed text for a guarded agent, with the caller's own context: approvals written into the state are
 * dropped, and its calls wait for the gate.
 * @throws KeyError when the text was not signed with this key, was changed, or has expired
 * @throws ConfigurationError when the agent is not guarded
 */
export async function resumeRunState<A extends AgentShape>(
  agent: A,
  signed: string,
  options: ResumeRunStateOptions<ContextOf<A>>,
): Promise<RunState<ContextOf<A>, A & Agent<ContextOf<A>>>> {
  if (!isGuardedAgent(agent)) throw new ConfigurationError('resumeRunState needs the agent that guardAgent answered');
  const text = verify(signed, options);
  const state = await RunState.fromStringWithContext(
    agent as unknown as Agent<unknown>,
    text,
    new RunContext<unknown>(options.context),
    {
      contextStrategy: 'replace',
    },
  );
  return state as unknown as RunState<ContextOf<A>, A & Agent<ContextOf<A>>>;
}

function verify(
  signed: string,
  { key, now = Date.now() }: { readonly key: Uint8Array; readonly now?: number },
): string {
  const [tag, expiry = '', signature = ''] = signed.split('.', 3);
  const text = signed.slice(`${tag}.${expiry}.${signature}.`.length);
  const given = Buffer.from(signature, 'base64url');
  const expected = sign(key, expiry, text);
  if (tag !== version || given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new KeyError('the run state was not signed with this key, or was changed since');
  }
  if (!(now < Number(expiry))) throw new KeyError('the signed run state has expired');
  return text;
}

function sign(key: Uint8Array, expiry: string, text: string): Buffer {
  if (!(key.length >= 32))
    throw new ConfigurationError(`the key of run states must have at least 32 bytes, got ${key.length}`);
  return createHmac('sha256', key).update(`countersign/run-state/1\n${expiry}\n`).update(text).digest();
}
