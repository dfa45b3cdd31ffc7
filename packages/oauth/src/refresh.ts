/**
 * Access tokens that are about to end are refreshed by one process at a time: servers that rotate refresh tokens take a
 * second use of one for a theft, and end the whole consent (RFC 9700 §4.14).
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LeaseError, type Store } from '@countersign/core';
import { takeLock, type Lock } from '@countersign/core/provider-kit';
import type { ServerOfService, Tokens } from './authorization-server.ts';
import { failure, refusalOf } from './failure.ts';
import { sorted, type OAuthService } from './service.ts';
import { untilDone, type Connection, type Place, type Stored, type Vault, type VaultEvent } from './vault.ts';

export interface RefreshContext {
  readonly service: OAuthService;
  readonly server: ServerOfService;
  readonly vault: Vault;
  readonly store: Store;
  readonly now: () => number;
  /** How long before its end an access token is refreshed, in milliseconds: clocks differ, and a request takes time. */
  readonly refreshEarlyMs: number;
  /** Upper bound of one request, in milliseconds. */
  readonly timeoutMs: number;
  /** Refreshes that run in this process, by tenant and id. */
  readonly running: Map<string, Promise<Connection | undefined>>;
}

export interface RefreshInput {
  readonly place: Place;
  readonly agent: string;
  /** The connection as it was last read. */
  readonly stored: Stored<Connection>;
  /** Refresh although the token seems good: the server said that it is not. */
  readonly force: boolean;
}

/** How long the lock outlives the requests of its holder: a crashed one holds the others up no longer than that. */
const lockMarginMs = 2_000;
const pollMs = 40;
const busy = 'another process did not finish; remedy: try again';

/**
 * Answers a connection with a good access token; `undefined` when the consent is lost and the user has to be asked anew.
 * Rejects with `LeaseError` when the server could not be asked: the tokens are kept.
 */
export async function freshen(context: RefreshContext, input: RefreshInput): Promise<Connection | undefined> {
  const { stored, place, force } = input;
  if (!force && isGood(context, stored.value)) return stored.value;
  const key = JSON.stringify([place.tenant, place.id]);
  const running = context.running.get(key);
  if (running !== undefined) return running;
  const refreshing = refreshAlone(context, input).finally(() => context.running.delete(key));
  context.running.set(key, refreshing);
  return refreshing;
}

/** Whether it lasts long enough to be handed out. */
function isGood({ now, refreshEarlyMs }: RefreshContext, { expiresAt }: Connection): boolean {
  return expiresAt - refreshEarlyMs > now();
}

async function refreshAlone(context: RefreshContext, input: RefreshInput): Promise<Connection | undefined> {
  const { place, stored } = input;
  const lockMs = context.timeoutMs + lockMarginMs;
  const giveUpAt = performance.now() + 2 * lockMs;
  while (performance.now() < giveUpAt) {
    const lock = await takeLock(context.store, {
      tenant: place.tenant,
      id: place.id,
      ttlMs: lockMs,
      now: () => Date.now(),
    });
    // Somebody else is at it, or was: what they left decides.
    const latest = await context.vault.load<Connection>(place);
    try {
      if (latest === undefined) return undefined;
      if (latest.value.accessToken !== stored.value.accessToken && isGood(context, latest.value)) return latest.value;
      if (lock !== undefined) return await refresh(context, { ...input, stored: latest }, lock);
    } finally {
      await lock?.release();
    }
    await sleep(pollMs + Math.random() * pollMs);
  }
  throw new LeaseError(`service ${context.service.name}, refresh: ${busy}`);
}

async function refresh(context: RefreshContext, input: RefreshInput, lock: Lock): Promise<Connection | undefined> {
  const { refreshToken } = input.stored.value;
  if (refreshToken === undefined) return lose(context, input, 'the access token ended and there is no refresh token');
  let tokens: Tokens;
  try {
    tokens = await context.server.refresh(refreshToken, async () => {
      // Whoever supplies the client's secret may have taken longer than the lock was held.
      if (!(await lock.renew())) throw new LeaseError(`service ${context.service.name}, refresh: ${busy}`);
    });
  } catch (error) {
    if (refusalOf(error) !== 'invalid_grant') throw failure(context.service.name, 'refresh', error);
    return lose(context, input, 'the server refused the refresh token: withdrawn, expired, or used twice');
  }
  return keep(context, input, tokens);
}

/** The rotated token must not get lost: a conflict is tried again, unless the connection itself has changed. */
async function keep(context: RefreshContext, input: RefreshInput, tokens: Tokens): Promise<Connection | undefined> {
  let renewed: Connection;
  try {
    renewed = renew(context.service, input.stored.value, tokens);
  } catch (error) {
    await endQuietly(context, tokens);
    throw error;
  }
  const kept = await change(context, input, renewed, eventOf(context, input, 'token_refreshed'));
  // Withdrawn or connected anew meanwhile: what was just issued belongs to nobody.
  if (kept.value !== renewed) await endQuietly(context, tokens);
  return kept.value;
}

/** Drops the tokens, unless another process has put new ones in their place. */
async function lose(context: RefreshContext, input: RefreshInput, detail: string): Promise<Connection | undefined> {
  return (await change(context, input, undefined, eventOf(context, input, 'consent_lost', detail))).value;
}

/** Writes `next` over the very connection that was refreshed. Answers what is stored then. */
async function change(
  { vault }: RefreshContext,
  { place, stored }: RefreshInput,
  next: Connection | undefined,
  event: VaultEvent,
): Promise<{ readonly value: Connection | undefined }> {
  let latest: Stored<Connection> | undefined = stored;
  return untilDone(async () => {
    if (latest?.value.accessToken !== stored.value.accessToken) return { value: latest?.value };
    if (await vault.put(place, latest.version, next, event)) return { value: next };
    latest = await vault.load<Connection>(place);
    return undefined;
  });
}

function renew(service: OAuthService, before: Connection, tokens: Tokens): Connection {
  if (tokens.expiresAt === undefined) throw lifetimeUnknown(service);
  const granted = tokens.scopes ?? before.scopes;
  return {
    ...before,
    // A server may narrow at a refresh and never widen (RFC 6749 §6).
    scopes: sorted(granted.filter((scope) => before.scopes.includes(scope))),
    accessToken: tokens.accessToken,
    expiresAt: tokens.expiresAt,
    ...(tokens.refreshToken === undefined ? {} : { refreshToken: tokens.refreshToken }),
  };
}

/** Fails closed: a token whose end nobody knows can neither be leased nor refreshed in time. */
export function lifetimeUnknown({ name }: OAuthService): LeaseError {
  return new LeaseError(
    `service ${name}: the server does not say how long its access tokens live; remedy: set \`accessTokenLifetimeMs\``,
  );
}

async function endQuietly({ server }: RefreshContext, { accessToken, refreshToken }: Tokens): Promise<void> {
  await (
    refreshToken === undefined
      ? server.revoke(accessToken, 'access_token')
      : server.revoke(refreshToken, 'refresh_token')
  ).catch(() => undefined);
}

function eventOf(
  { service }: RefreshContext,
  { agent }: RefreshInput,
  event: VaultEvent['event'],
  detail?: string,
): VaultEvent {
  return { event, service: service.name, agent, ...(detail === undefined ? {} : { detail }) };
}
