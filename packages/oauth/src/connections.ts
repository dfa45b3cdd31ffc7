/**
 * What a user has connected: seen, withdrawn, cleared away.
 * @module
 */
import type { Store } from '@countersign/core';
import type { Sealer, StoredEntry, SubjectKey } from '@countersign/core/provider-kit';
import type { ServiceHandle } from './consent.ts';
import {
  connectionPrefix,
  endOf,
  openUnlessErased,
  pseudonymOf,
  untilDone,
  type Connection,
  type Place,
  type Vault,
} from './vault.ts';

/** For the user: holds no token. */
export interface ConnectionView {
  readonly service: string;
  readonly scopes: readonly string[];
  /** Who the user is at the service, where it said so. */
  readonly account?: string;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
}

export interface Disconnected {
  /** How many connections were forgotten here. */
  readonly forgotten: number;
  /** Whether the server revoked all of them: otherwise the user has to end them there. */
  readonly revoked: boolean;
}

interface Context {
  readonly store: Store;
  readonly vault: Vault;
}

const pageSize = 100;

export async function listConnections(
  context: Context,
  tenant: string,
  key: SubjectKey,
  services: readonly string[],
): Promise<readonly ConnectionView[]> {
  const views: ConnectionView[] = [];
  for (const service of services) {
    for (const place of await placesOf(context, tenant, key, service)) {
      const stored = await context.vault.load<Connection>(place);
      if (stored === undefined) continue;
      const { scopes, account, connectedAt } = stored.value;
      views.push({ service, scopes, connectedAt, ...(account === undefined ? {} : { account }) });
    }
  }
  return views;
}

/** Forgets first: whatever the server says or does not say, no call gets these tokens any more. */
export async function withdraw(
  context: Context,
  tenant: string,
  key: SubjectKey,
  { service, server }: ServiceHandle,
): Promise<Disconnected> {
  let [forgotten, revoked] = [0, true];
  for (const place of await placesOf(context, tenant, key, service.name)) {
    const connection = await take(context, place, service.name);
    if (connection === 'gone') continue;
    forgotten += 1;
    const done = connection !== 'unreadable' && (await ended(server, connection));
    if (!done) {
      const detail = 'the server did not revoke the tokens';
      await context.vault.record(tenant, key, { event: 'consent_withdrawn', service: service.name, detail });
    }
    revoked &&= done;
  }
  return { forgotten, revoked };
}

async function take({ vault }: Context, place: Place, service: string): Promise<Connection | 'gone' | 'unreadable'> {
  return untilDone(async () => {
    const version = await vault.version(place);
    if (version === undefined) return 'gone';
    const stored = await vault.load<Connection>(place).catch(() => undefined);
    const removed = await vault.put(place, version, undefined, { event: 'consent_withdrawn', service });
    return removed ? (stored?.value ?? 'unreadable') : undefined;
  });
}

/** The refresh token ends the whole consent at most servers (RFC 7009 §2.1); the access token may be on its own. */
async function ended(server: ServiceHandle['server'], { accessToken, refreshToken }: Connection): Promise<boolean> {
  try {
    if (refreshToken !== undefined) await server.revoke(refreshToken, 'refresh_token');
    await server.revoke(accessToken, 'access_token');
    return true;
  } catch {
    return false;
  }
}

async function placesOf({ store }: Context, tenant: string, key: SubjectKey, service: string): Promise<Place[]> {
  const prefix = connectionPrefix(key, service);
  const places: Place[] = [];
  for (let after = prefix; ;) {
    const page = await store.entries(tenant, 'token', { after, limit: pageSize });
    const own = page.filter(({ id }) => id.startsWith(prefix));
    places.push(...own.map(({ id }): Place => ({ kind: 'token', tenant, id, key })));
    const last = own.at(-1);
    if (own.length < pageSize || last === undefined) return places;
    after = last.id;
  }
}

export async function forgetEnded(
  context: { readonly store: Store; readonly sealer: Sealer; readonly now: () => number },
  tenant: string,
): Promise<{ readonly removed: number }> {
  const { store, sealer, now } = context;
  const remove = async (entry: StoredEntry): Promise<number> => {
    const { kind, id, version } = entry;
    const done = await store.putEntry({
      tenant,
      kind,
      id,
      expected: version,
      value: undefined,
      now: now(),
      records: [],
    });
    return done === undefined ? 0 : 1;
  };
  let removed = 0;
  for await (const entry of entriesOf(store, tenant, 'consent')) {
    if (pseudonymOf(entry.id) !== undefined && !(endOf(entry.value) > now())) removed += await remove(entry);
  }
  for await (const entry of entriesOf(store, tenant, 'token')) {
    if (await isErased(sealer, entry)) removed += await remove(entry);
  }
  return { removed };
}

async function isErased(sealer: Sealer, { tenant, id, value }: StoredEntry): Promise<boolean> {
  const subject = pseudonymOf(id);
  if (subject === undefined) return false;
  const key = await sealer.bySubject(tenant, subject);
  return key === undefined || openUnlessErased({ kind: 'token', tenant, id, key }, value) === undefined;
}

async function* entriesOf(
  store: Store,
  tenant: string,
  kind: StoredEntry['kind'],
): AsyncGenerator<StoredEntry, void, void> {
  for (let after: string | undefined; ;) {
    const page = await store.entries(tenant, kind, { limit: pageSize, ...(after === undefined ? {} : { after }) });
    yield* page;
    const last = page.at(-1);
    if (page.length < pageSize || last === undefined) return;
    after = last.id;
  }
}
