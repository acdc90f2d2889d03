import type { OperationEntry, Row, Standing } from "./history.ts";

/** What a message must say for the example's Postgres to refuse it. */
export const POISON = "poison";

/** What is asked of the service, as it arrives there. */
export type Request = Pick<
  OperationEntry,
  "operation" | "op" | "user" | "temp_id" | "id" | "hash" | "target" | "title"
>;

/** How a request ended; `change` is told to everybody if it made one. */
export type Answer = { ok: true; id?: number; seq?: number; row?: Row; isNew: boolean } | { ok: false };

/** One conversation of a service that does everything right: no concurrency, nothing lost, all in one place. */
export class ExampleService {
  epoch = "epoch 1";
  head = 0;
  /** Of the newest change, also of participants and title. */
  seq = 0;
  floor = 1;
  title: string | null = null;
  isEnded = false;
  /** Every message there is, by id. */
  readonly rows = new Map<number, Row>();
  /** What each participant has read. */
  readonly readers = new Map<string, number>();
  readonly stored = new Map<number, Row>();
  readonly poison = new Set<number>();

  constructor(users: readonly string[]) {
    for (const user of users) this.readers.set(user, 0);
  }

  /** Of the newest change of a message. */
  get messageSeq(): number {
    return Math.max(0, ...[...this.rows.values()].map(({ seq }) => seq));
  }

  isIn(user: string): boolean {
    return !this.isEnded && this.readers.has(user);
  }

  /** Carries a request out, or refuses it. */
  handle(request: Request): Answer {
    const { op, user, id = 0, target = "" } = request;
    if (!this.isIn(user)) return { ok: false };
    switch (op) {
      case "send":
        return this.#send(request);
      case "edit":
      case "delete":
        return this.#change(request);
      case "read":
        this.readers.set(user, Math.max(this.readers.get(user) ?? 0, Math.min(id, this.head)));
        return { ok: true, id, isNew: false };
      case "add":
        if (this.readers.has(target)) return { ok: true, isNew: false };
        this.readers.set(target, 0);
        break;
      case "remove":
        if (!this.readers.delete(target)) return { ok: false };
        break;
      case "rename":
        this.title = request.title ?? null;
        break;
      case "end":
        this.isEnded = true;
        break;
      default:
        op satisfies never;
    }
    this.seq += 1;
    return { ok: true, isNew: false };
  }

  unread(user: string, lastReadId: number): number {
    return [...this.rows.values()].filter(
      ({ id, sender, hash }) => id > lastReadId && sender !== user && hash !== null,
    ).length;
  }

  /** Where it stands for a user. */
  standing(user: string): Standing {
    const last_read_id = this.readers.get(user) ?? 0;
    return { head: this.head, last_read_id, unread: this.unread(user, last_read_id) };
  }

  /** Writes to Postgres what changed since the last time, except what it refuses. */
  drain(): void {
    for (const row of this.rows.values()) {
      if (this.stored.get(row.id)?.seq === row.seq) continue;
      if (row.hash?.startsWith(POISON)) this.poison.add(row.id);
      else this.stored.set(row.id, { ...row });
    }
  }

  /** A disaster takes what is not in Postgres: it must be drained. Begins a new epoch with the newest messages. */
  loseStorage(newest: number): void {
    this.epoch = `epoch ${Number(this.epoch.split(" ")[1]) + 1}`;
    this.floor = Math.max(1, this.head - newest + 1);
    this.seq = this.messageSeq;
  }

  log() {
    const rows = this.#sorted(this.rows).filter(({ id }) => id >= this.floor);
    return { epoch: this.epoch, head: this.head, seq: this.messageSeq, floor: this.floor, rows };
  }

  postgres() {
    const rows = this.#sorted(this.stored);
    return {
      head: rows.at(-1)?.id ?? 0,
      seq: Math.max(0, ...rows.map(({ seq }) => seq)),
      title: this.title,
      participants: [...this.readers].map(([user, last_read_id]) => ({ user, last_read_id })),
      rows,
      poison: [...this.poison],
    };
  }

  /** From this id on, ascending. */
  page(from: number, to = this.head): Row[] {
    return this.#sorted(this.rows).filter(({ id }) => id >= from && id <= to);
  }

  #send({ user: sender, temp_id = "", hash = "" }: Request): Answer {
    for (const row of this.rows.values()) {
      if (row.sender === sender && row.temp_id === temp_id)
        return { ok: true, id: row.id, seq: row.seq, row: { ...row }, isNew: false };
    }
    this.head += 1;
    this.seq += 1;
    const row = { id: this.head, seq: this.seq, sender, temp_id, hash };
    this.rows.set(row.id, row);
    this.readers.set(sender, row.id);
    return { ok: true, id: row.id, seq: row.seq, row: { ...row }, isNew: true };
  }

  #change({ op, id = 0, hash = "" }: Request): Answer {
    const row = this.rows.get(id);
    if (!row || (op === "edit" && row.hash === null)) return { ok: false };
    if (row.hash === null) return { ok: true, id, seq: row.seq, row: { ...row }, isNew: false };
    this.seq += 1;
    row.seq = this.seq;
    row.hash = op === "edit" ? hash : null;
    return { ok: true, id, seq: row.seq, row: { ...row }, isNew: true };
  }

  #sorted(rows: ReadonlyMap<number, Row>): Row[] {
    return [...rows.values()].sort((a, b) => a.id - b.id).map((row) => ({ ...row }));
  }
}
