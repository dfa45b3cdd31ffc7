/**
 * Wakes whoever waits for an approval when the server says that it changed. It only shortens the wait: while its
 * connection is down nobody is woken, and the waiters look for themselves.
 * @module
 */
import { hash } from 'node:crypto';
import { createTopics } from '@countersign/core/store-kit';
import { Client } from 'pg';

export interface Listener {
  /** Resolves when the approval changed; never rejects. Also resolves when `signal` aborts. */
  changed(tenant: string, id: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const retryMs = 1_000;

export function createListener(connectionString: string, connectTimeoutMs: number): Listener {
  const topics = createTopics();
  let client: Client | undefined;
  let closed = false;
  let retryAt = 0;

  /** Connects for the first who waits, and again for the next after it broke. */
  function listen(): void {
    if (client !== undefined || closed || performance.now() < retryAt) return;
    const opened = new Client({
      connectionString,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      application_name: 'countersign listener',
    });
    client = opened;
    const drop = (): void => {
      if (client === opened) client = undefined;
      retryAt = performance.now() + retryMs;
    };
    opened.on('error', drop);
    opened.on('end', drop);
    opened.on('notification', ({ payload }) => topics.wake(payload ?? ''));
    opened
      .connect()
      .then(async () => {
        unref(opened);
        await opened.query('LISTEN countersign_approval');
      })
      .catch(drop);
  }

  return {
    changed(tenant, id, signal) {
      listen();
      return topics.next(hash('sha256', `${tenant}\n${id}`, 'hex'), signal);
    },
    async close() {
      closed = true;
      topics.wakeAll();
      await client?.end().catch(() => undefined);
    },
  };
}

/** Listening alone keeps no process running. */
function unref(client: Client): void {
  const { connection } = client as unknown as { connection?: { stream?: { unref?: () => void } } };
  connection?.stream?.unref?.();
}
