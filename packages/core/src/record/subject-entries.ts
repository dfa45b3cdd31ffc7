/**
 * What is kept for a user beside the ledger. Whoever keeps such an entry puts the pseudonym into its id, as a part of
 * its own between `.`, `/` or `:`, so that an erasure finds it.
 * @module
 */
import type { EntryKind, Store } from '../store/store.ts';

const personal: readonly EntryKind[] = ['consent', 'token', 'credential', 'notice'];

/** Removes the entries of a user. One that is written meanwhile stays: it is sealed under the key that goes next. */
export async function removeEntriesOf(
  store: Pick<Store, 'entries' | 'putEntry'>,
  tenant: string,
  subject: string,
  now: number,
): Promise<void> {
  for (const kind of personal) {
    let after: string | undefined;
    for (;;) {
      const entries = await store.entries(tenant, kind, after === undefined ? {} : { after });
      after = entries.at(-1)?.id;
      if (after === undefined) break;
      for (const { id, version } of entries) {
        if (!id.split(/[./:]/).includes(subject)) continue;
        await store.putEntry({ tenant, kind, id, expected: version, value: undefined, now, records: [] });
      }
    }
  }
}
