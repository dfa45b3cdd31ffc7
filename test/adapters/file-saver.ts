/** LangGraph's checkpointer in memory, kept in a file as well, so that several processes share the threads. */
import { DatabaseSync } from 'node:sqlite';
import { MemorySaver } from '@langchain/langgraph';

type Arguments<Method extends 'put' | 'putWrites' | 'getTuple' | 'list'> = Parameters<MemorySaver[Method]>;

export class FileSaver extends MemorySaver {
  readonly #database: DatabaseSync;

  constructor(path: string) {
    super();
    this.#database = new DatabaseSync(path);
    this.#database.exec(`pragma busy_timeout = 10000; pragma journal_mode = wal;
      create table if not exists entry (kind text, place text, item text, value text, primary key (kind, place, item))`);
  }

  override async getTuple(...args: Arguments<'getTuple'>): ReturnType<MemorySaver['getTuple']> {
    this.#load();
    return super.getTuple(...args);
  }

  override async *list(...args: Arguments<'list'>): ReturnType<MemorySaver['list']> {
    this.#load();
    yield* super.list(...args);
  }

  override async put(...args: Arguments<'put'>): ReturnType<MemorySaver['put']> {
    const config = await super.put(...args);
    const [thread, space] = [
      String(args[0].configurable?.['thread_id']),
      String(args[0].configurable?.['checkpoint_ns'] ?? ''),
    ];
    const id = args[1].id;
    this.#keep('checkpoint', JSON.stringify([thread, space]), id, this.storage[thread]?.[space]?.[id]);
    return config;
  }

  override async putWrites(...args: Arguments<'putWrites'>): ReturnType<MemorySaver['putWrites']> {
    this.#load();
    await super.putWrites(...args);
    for (const [place, items] of Object.entries(this.writes)) {
      for (const [item, value] of Object.entries(items)) this.#keep('write', place, item, value);
    }
  }

  close(): void {
    this.#database.close();
  }

  #keep(kind: string, place: string, item: string, value: unknown): void {
    const text = JSON.stringify(value, (_key, part: unknown) =>
      part instanceof Uint8Array ? { text: Buffer.from(part).toString('utf8') } : part,
    );
    this.#database.prepare('insert or replace into entry values (?, ?, ?, ?)').run(kind, place, item, text);
  }

  #load(): void {
    for (const row of this.#database.prepare('select kind, place, item, value from entry').all()) {
      const [kind, place, item] = [String(row['kind']), String(row['place']), String(row['item'])];
      const value = JSON.parse(String(row['value']), (_key, part: unknown) => bytesOf(part)) as never;
      if (kind === 'write') (this.writes[place] ??= {})[item] ??= value;
      else {
        const [thread, space] = JSON.parse(place) as [string, string];
        ((this.storage[thread] ??= {})[space] ??= {})[item] ??= value;
      }
    }
  }
}

function bytesOf(part: unknown): unknown {
  if (typeof part !== 'object' || part === null || !('text' in part) || typeof part.text !== 'string') return part;
  return Object.keys(part).length === 1 ? new Uint8Array(Buffer.from(part.text, 'utf8')) : part;
}
