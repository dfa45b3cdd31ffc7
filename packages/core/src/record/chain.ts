/**
 * The hash chain of one writer: what a hash covers, and the linking of drafts to the head of a tenant's chain.
 * @module
 */
import { hash, randomBytes } from 'node:crypto';
import { StoreError } from '../errors.ts';
import type { ChainHead, RecordDraft, StoredRecord } from './record.ts';

/** What the hash of a record covers. */
export interface HashedRecord {
  readonly tenant: string;
  readonly writer: string;
  /** 1 for the first record of the chain. */
  readonly seq: number;
  /** Hash of the record before, or {@link genesisHash} for the first. */
  readonly previous: string;
  readonly body: string;
}

/** Each text with its length in front, so that no two lists of fields give the same encoding. */
function encode(domain: string, fields: readonly string[]): string {
  let encoded = domain;
  for (const field of fields) encoded += `\n${field.length}:${field}`;
  return encoded;
}

/** SHA-256, 64 hexadecimal digits, over a domain tag and the length-prefixed fields in UTF-8. */
export function hashRecord({ tenant, writer, seq, previous, body }: HashedRecord): string {
  return hash('sha256', encode('countersign/record/1', [tenant, writer, String(seq), previous, body]), 'hex');
}

/** What the first record of a chain links to. It binds the chain to its tenant and writer. */
export function genesisHash(tenant: string, writer: string): string {
  return hash('sha256', encode('countersign/chain/1', [tenant, writer]), 'hex');
}

/** The name of a new chain. One opened store is one writer, so that two processes never share a head. */
export function newWriter(): string {
  return `w_${randomBytes(16).toString('base64url')}`;
}

export interface Chain {
  /** The drafts as records, linked to the tenant's head and to each other. The head moves on. */
  link(tenant: string, drafts: readonly RecordDraft[]): readonly StoredRecord[];
  /** After a write that failed, or may have failed: the next record links to the head that the store holds. */
  readonly forget: () => void;
}

const maxHeads = 10_000;

/** `durableHead` answers the head that the store holds, also inside a transaction that has not ended. */
export function createChain(
  writer: string,
  durableHead: (tenant: string) => Pick<ChainHead, 'seq' | 'hash'> | undefined,
): Chain {
  const heads = new Map<string, Pick<ChainHead, 'seq' | 'hash'>>();

  return {
    link(tenant, drafts) {
      let head = heads.get(tenant) ?? durableHead(tenant) ?? { seq: 0, hash: genesisHash(tenant, writer) };
      const linked = drafts.map((draft) => {
        checkDraft(tenant, draft);
        const { time, kind, event, call, body } = draft;
        const seq = head.seq + 1;
        const record = { tenant, writer, seq, time, kind, event, call, body };
        head = { seq, hash: hashRecord({ tenant, writer, seq, previous: head.hash, body }) };
        return { ...record, hash: head.hash };
      });
      if (heads.size >= maxHeads) heads.clear();
      if (linked.length > 0) heads.set(tenant, head);
      return linked;
    },
    forget: () => heads.clear(),
  };
}

function checkDraft(tenant: string, draft: RecordDraft): void {
  if (draft.tenant !== tenant) {
    throw new StoreError(`a record of tenant ${draft.tenant} cannot be appended for tenant ${tenant}`);
  }
  // Stored text is UTF-8: a lone surrogate would come back as another text than the one that was hashed.
  if (!draft.body.isWellFormed()) throw new StoreError('a record body must be well-formed Unicode');
}
