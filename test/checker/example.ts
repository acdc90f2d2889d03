import { apply, begin, type Connection, type Down, type News, newSeat, type Seat } from "./example-seat.ts";
import { type Answer, ExampleService, POISON, type Request } from "./example-service.ts";
import type { Entry, Row } from "./history.ts";
import { randomOf } from "./random.ts";

type Unplaced<E = Entry> = E extends Entry ? Omit<E, "t"> : never;

const USERS = ["ann", "bo", "cho", "dae"];
const CLIENTS = ["ann.1", "ann.2", "bo.1", "cho.1", "dae.1"];
const STEPS = 700;

/**
 * A history in which everything is right, drawn from a seed: users with several clients in two conversations, whose
 * operations overlap, get lost and are repeated, under crashes, cut connections and lost storage; one conversation of some
 * histories is deleted in the end.
 */
export function exampleHistory(seed: number): Entry[] {
  return new Example(seed).play();
}

class Example {
  readonly #history: Entry[] = [];
  readonly #services = new Map<string, ExampleService>();
  readonly #seats: Seat[] = [];
  readonly #random: () => number;
  /** Requests over REST that are under way. */
  readonly #pending: Array<() => void> = [];
  readonly #faults: string[] = [];
  #seed: number;
  #t = 0;
  #names = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = randomOf(seed);
    this.#services.set("c1", new ExampleService(USERS));
    this.#services.set("c2", new ExampleService(["ann", "bo", "cho"]));
    for (const conversation of this.#services.keys())
      for (const client of CLIENTS) this.#seat(client, conversation);
  }

  play(): Entry[] {
    const { run, faults } = { run: `example ${this.#seed}`, faults: this.#faults };
    this.#history.push({ kind: "run", run, layer: "simulation", commit: "", seed: this.#seed, faults });
    for (let step = 0; step < STEPS; step += 1) this.#step(this.#random());
    this.#settle();
    // Most of what is sent is acknowledged, whatever happened before.
    for (let n = 0; n < 3; n += 1) for (const seat of this.#seats) if (seat.isLive) this.#speak(seat, n / 3);
    this.#settle();
    const doomed = this.#seed % 5 === 0 ? "c2" : null;
    if (doomed) this.#govern(doomed, { op: "end" }, () => 0);
    this.#settle();
    for (const service of this.#services.values()) service.drain();
    this.#record({ kind: "quiet", reached: true, waited_ms: 10, limit_ms: 1_000 });
    for (const [conversation, service] of this.#services) this.#dump(conversation, service);
    return this.#history;
  }

  #step(dice: number): void {
    const seat = this.#pick(this.#seats);
    if (!seat) return;
    const service = this.#service(seat);
    if (dice < 0.52) this.#travel(seat);
    else if (dice < 0.66) this.#speak(seat);
    else if (dice < 0.76) this.#connect(seat);
    else if (dice < 0.81) this.#read(seat);
    else if (dice < 0.9) this.#pending.splice(this.#integer(0, this.#pending.length), 1)[0]?.();
    else if (dice < 0.91) this.#post(seat);
    else if (dice < 0.94) service.drain();
    else if (dice < 0.955) this.#cut(seat);
    else if (dice < 0.96) this.#reopen(seat);
    else if (dice < 0.965) this.#crash();
    else if (dice < 0.967) this.#loseStorage(seat.conversation);
    else if (dice < 0.985) this.#change(seat.conversation);
    else if (dice < 0.99) this.#giveUp(seat);
  }

  // What clients do

  #speak(seat: Seat, dice = this.#random()): void {
    if (seat.isGone || seat.outbox.length > 6) return;
    // Outsiders try at times, in vain.
    if (!this.#service(seat).isIn(seat.user) && this.#random() < 0.8) return;
    const { user } = seat;
    const own = seat.rows.filter(({ sender, hash }) => sender === user && hash !== null);
    const message = this.#pick(own.slice(-3));
    if (dice < 0.5 || !message) {
      const temp_id = this.#name("temp");
      this.#begin(seat, { op: "send", temp_id, hash: this.#name(this.#random() < 0.02 ? POISON : "text") });
    } else if (dice < 0.75) this.#begin(seat, { op: "edit", id: message.id, hash: this.#name("edit") });
    else if (dice < 0.88) this.#begin(seat, { op: "delete", id: message.id });
    else this.#begin(seat, { op: "read", id: this.#integer(message.id, seat.head) });
  }

  #begin(seat: Seat, asked: Omit<Request, "operation" | "user">): void {
    const request = { ...asked, user: seat.user, operation: this.#name("o") };
    this.#record({ kind: "operation", phase: "invoke", ...this.#who(seat), ...request });
    seat.outbox.push(request);
    seat.connection?.up.push(request);
  }

  #end(
    seat: Seat,
    operation: string,
    phase: "ok" | "fail" | "info",
    known: { id?: number; seq?: number } = {},
  ): void {
    const request = seat.outbox.find((other) => other.operation === operation);
    if (!request) return;
    seat.outbox = seat.outbox.filter((other) => other !== request);
    const { hash: _, title: __, ...rest } = request;
    this.#record({ kind: "operation", phase, ...this.#who(seat), ...rest, ...known });
  }

  /** Something that is under way arrives. */
  #travel(seat: Seat): void {
    const { connection } = seat;
    if (!connection) return;
    if (this.#random() < 0.5) this.#arriveThere(seat, connection);
    else this.#arriveHere(seat, connection);
  }

  #arriveThere(seat: Seat, connection: Connection): void {
    const request = connection.isOpen ? connection.up.shift() : undefined;
    if (!request) return;
    const service = this.#service(seat);
    const answer = service.handle(request);
    const { operation: answers } = request;
    if (!answer.ok) this.#tell(seat, connection, { kind: "refused", answers });
    else if (!answer.isNew)
      this.#tell(seat, connection, {
        kind: "change",
        ...this.#place(service),
        row: answer.row ?? null,
        answers,
        isRepeated: true,
      });
    else this.#publish(seat.conversation, answer.row ?? null, { connection, answers });
  }

  /** Everybody who is connected hears of a change. */
  #publish(conversation: string, row: Row | null, asker?: { connection: Connection; answers: string }): void {
    for (const other of this.#seats) {
      if (other.conversation !== conversation || !other.connection?.isOpen) continue;
      const answers = other.connection === asker?.connection ? asker.answers : null;
      const change = {
        kind: "change",
        ...this.#place(this.#service(other)),
        row,
        answers,
        isRepeated: false,
      } as const;
      this.#tell(other, other.connection, change);
    }
    this.#notify(conversation);
  }

  /** Everybody's inbox shows where the conversation stands for them. */
  #notify(conversation: string): void {
    const service = this.#service({ conversation });
    for (const user of service.isEnded ? [] : service.readers.keys())
      this.#record({
        kind: "count",
        at: "server",
        asked: null,
        client: `${user}.inbox`,
        user,
        conversation,
        via: "inbox",
        seq: service.seq,
        ...service.standing(user),
      });
  }

  #tell(seat: Seat, connection: Connection, down: Down): void {
    connection.down.push(down);
    if (seat.at === "server") this.#note(seat, connection, down);
  }

  /** Records what is on its way, where this seat's messages are recorded. */
  #note(seat: Seat, { asked }: Connection, down: Down): void {
    const { at } = seat;
    const via = down.kind === "change" ? "live" : "replay";
    const rows = down.kind === "ready" ? down.rows : down.kind === "change" && down.row ? [down.row] : [];
    for (const row of rows)
      this.#record({
        kind: "seen",
        at,
        asked,
        via,
        ...this.#who(seat),
        epoch: "epoch" in down ? down.epoch : null,
        ...row,
      });
    if (down.kind !== "ready") return;
    const { head, seq, reading } = down;
    const { last_read_id, unread, positions } = reading;
    this.#record({ kind: "count", asked, ...this.#who(seat), via: "ready", head, seq, last_read_id, unread });
    for (const [reader, position] of positions)
      this.#record({ kind: "position", at, asked, ...this.#who(seat), reader, last_read_id: position, head });
  }

  #arriveHere(seat: Seat, connection: Connection): void {
    const down = connection.down.shift();
    if (!down) return;
    if (seat.at === "client") this.#note(seat, connection, down);
    switch (down.kind) {
      case "ready":
        this.#show(seat, begin(seat, down));
        break;
      case "change": {
        const { row, answers, isRepeated } = down;
        if (!isRepeated) this.#show(seat, apply(seat, down));
        if (answers) this.#end(seat, answers, "ok", row ? { id: row.id, seq: row.seq } : {});
        break;
      }
      case "refused":
        // An edit or a deletion may have been done by an earlier attempt; a send would have been found.
        this.#end(seat, down.answers, "info");
        break;
      case "closed":
        seat.connection = null;
        seat.isLive = false;
        for (const { operation } of [...seat.outbox]) this.#end(seat, operation, "info");
    }
  }

  /** What a seat took over is shown, and what is new of it announced. */
  #show(seat: Seat, news: News): void {
    const [first, last] = [seat.rows[0], seat.rows.at(-1)];
    const ranges: Array<[number, number]> = first && last ? [[first.id, last.id]] : [];
    if (news.hasMoved) this.#record({ kind: "shown", ...this.#who(seat), ranges });
    for (const id of news.announced) this.#record({ kind: "announced", ...this.#who(seat), id });
  }

  #connect(seat: Seat): void {
    const service = this.#service(seat);
    if (seat.connection || seat.isGone || !service.isIn(seat.user)) return;
    this.#t += 1;
    const connection: Connection = { asked: this.#t, up: [...seat.outbox], down: [], isOpen: true };
    seat.connection = connection;
    const { epoch, seq, head, readers } = service;
    const canResume = seat.epoch === epoch && this.#random() < 0.8;
    const last_read_id = readers.get(seat.user) ?? 0;
    const reading = {
      last_read_id,
      unread: service.unread(seat.user, last_read_id),
      positions: [...readers],
    };
    const rows = canResume
      ? service.page(1).filter((row) => row.seq > seat.seq && row.id >= (seat.rows[0]?.id ?? seat.head + 1))
      : service.page(Math.max(1, head - 9));
    this.#tell(seat, connection, {
      kind: "ready",
      since: canResume ? seat.seq : null,
      epoch,
      seq,
      head,
      rows,
      reading,
    });
  }

  /** The connection breaks; what was on it is lost. */
  #cut(seat: Seat): void {
    seat.connection = null;
    seat.isLive = false;
  }

  /** The tab is closed, and another one opened. */
  #reopen(seat: Seat): void {
    if (seat.isGone) return;
    this.#cut(seat);
    seat.isGone = true;
    for (const { operation } of [...seat.outbox]) this.#end(seat, operation, "info");
    this.#seats.splice(this.#seats.indexOf(seat), 1);
    this.#seat(this.#name(`${seat.user}.tab`), seat.conversation);
  }

  /** Its user stops waiting. */
  #giveUp(seat: Seat): void {
    const [request] = seat.outbox;
    if (request && !seat.connection) this.#end(seat, request.operation, "info");
  }

  // What comes over REST

  #read(seat: Seat): void {
    const service = this.#service(seat);
    this.#t += 1;
    const asked = this.#t;
    const who = this.#who(seat);
    this.#pending.push(() => {
      if (!service.isIn(seat.user)) return;
      const { head } = service;
      const rows = service.page(this.#integer(Math.max(1, head - 8), head));
      const last_read_id = service.readers.get(seat.user) ?? 0;
      const unread = service.unread(seat.user, last_read_id);
      const positions = [...service.readers];
      const via = this.#pick(["rest", "search", "inbox", "push"] as const) ?? "rest";
      const arrive = (): void => {
        for (const row of rows)
          this.#record({
            kind: "seen",
            at: "client",
            asked,
            via,
            ...who,
            epoch: null,
            ...row,
            temp_id: via === "search" ? null : row.temp_id,
          });
        this.#record({ kind: "count", asked, ...who, via: "rest", head, seq: null, last_read_id, unread });
        for (const [reader, position] of positions)
          this.#record({
            kind: "position",
            at: "client",
            asked,
            ...who,
            reader,
            last_read_id: position,
            head: null,
          });
      };
      this.#pending.push(arrive);
    });
  }

  /** A message sent over REST, by something that has no queue. */
  #post(seat: Seat): void {
    const client = this.#name(`${seat.user}.rest.`);
    const temp_id = this.#name("temp");
    this.#request({ ...seat, client }, { op: "send", temp_id, hash: this.#name("text") });
  }

  /** Adds, removes or renames. */
  #change(conversation: string): void {
    const dice = this.#random();
    const target = this.#pick(USERS.slice(2)) ?? "";
    if (dice < 0.4) this.#govern(conversation, { op: "add", target });
    else if (dice < 0.75) this.#govern(conversation, { op: "remove", target });
    else this.#govern(conversation, { op: "rename", title: this.#name("title") });
  }

  #govern(conversation: string, asked: Omit<Request, "operation" | "user">, luck = this.#random): void {
    this.#request({ client: "ann.1", user: "ann", conversation }, asked, luck);
  }

  #request(
    { client, user, conversation }: Pick<Seat, "client" | "user" | "conversation">,
    asked: Omit<Request, "operation" | "user">,
    luck = this.#random,
  ): void {
    const request = { ...asked, user, operation: this.#name("o") };
    const who = { client, user, conversation };
    this.#record({ kind: "operation", phase: "invoke", ...who, ...request });
    this.#pending.push(() => {
      // One in ten gets lost on the way there, one in ten on the way back.
      const fate = luck();
      const answer: Answer | null = fate > 0.9 ? null : this.#carryOut(conversation, request);
      this.#pending.push(() => {
        const { hash: _, title: __, ...rest } = request;
        const isLost = answer === null || fate > 0.8;
        const phase = isLost ? "info" : answer.ok ? "ok" : "fail";
        const known = answer?.ok && !isLost && answer.row ? { id: answer.row.id, seq: answer.row.seq } : {};
        this.#record({ kind: "operation", phase, ...who, ...rest, ...known });
      });
    });
  }

  #carryOut(conversation: string, request: Request): Answer {
    const service = this.#service({ conversation });
    const { seq } = service;
    const answer = service.handle(request);
    if (service.seq > seq) {
      for (const seat of this.#seats) {
        if (seat.conversation !== conversation || service.isIn(seat.user) || !seat.connection?.isOpen)
          continue;
        seat.connection.isOpen = false;
        seat.connection.down.push({ kind: "closed" });
      }
      this.#publish(conversation, answer.ok ? (answer.row ?? null) : null);
    }
    return answer;
  }

  // What goes wrong

  #crash(): void {
    this.#fault("crash");
    for (const seat of this.#seats) this.#cut(seat);
    this.#record({ kind: "crash" });
    for (const [conversation, service] of this.#services)
      this.#record({ kind: "log", conversation, ...service.log() });
  }

  #loseStorage(conversation: string): void {
    const service = this.#service({ conversation });
    service.drain();
    // What Postgres refused would be lost, and nobody promises to keep it then.
    if (service.poison.size > 0 || service.head === 0) return;
    this.#fault("lose storage");
    for (const seat of this.#seats) if (seat.conversation === conversation) this.#cut(seat);
    service.loseStorage(12);
  }

  #fault(name: string): void {
    const fault = this.#name(`${name} `);
    this.#faults.push(fault);
    this.#record({ kind: "fault", phase: "fired", fault, name });
    this.#record({ kind: "fault", phase: "healed", fault, name });
  }

  // The end

  /** Everything that is under way arrives, and everybody comes back. */
  #settle(): void {
    for (const seat of this.#seats) {
      if (seat.connection && seat.isLive && this.#random() < 0.5) this.#cut(seat);
    }
    for (let isBusy = true; isBusy; ) {
      isBusy = false;
      for (const work of this.#pending.splice(0)) {
        work();
        isBusy = true;
      }
      for (const seat of this.#seats) {
        this.#connect(seat);
        const { connection } = seat;
        while (
          seat.connection &&
          connection &&
          (connection.down.length > 0 || (connection.isOpen && connection.up.length > 0))
        ) {
          this.#arriveThere(seat, connection);
          this.#arriveHere(seat, connection);
          isBusy = true;
        }
        if (!this.#service(seat).isIn(seat.user))
          for (const { operation } of [...seat.outbox]) this.#end(seat, operation, "info");
      }
    }
  }

  #dump(conversation: string, service: ExampleService): void {
    if (!service.isEnded) this.#record({ kind: "log", conversation, ...service.log() });
    this.#record({ kind: "postgres", conversation, ...service.postgres() });
    const { title, readers, head: last_message_id } = service;
    for (const seat of this.#seats) {
      if (seat.conversation !== conversation) continue;
      const { isLive: live, outbox, seq, head, rows } = seat;
      const told = live ? { title, participants: [...readers.keys()] } : { title: null, participants: [] };
      this.#record({
        kind: "held",
        ...this.#who(seat),
        live,
        unsettled: outbox.length,
        seq,
        last_message_id: head,
        ...told,
        rows,
      });
    }
    for (const user of USERS) {
      const found = service.isIn(user);
      const read = found
        ? { last_message_id, title, participants: [...readers.keys()], rows: service.page(1) }
        : { last_message_id: 0, title: null, participants: [], rows: [] };
      this.#record({ kind: "fresh", user, conversation, found, ...read });
      const own = found ? service.standing(user) : null;
      this.#record({ kind: "listed", user, conversation, shown: own, own, total: own?.unread ?? 0 });
    }
  }

  #seat(client: string, conversation: string): void {
    this.#seats.push(newSeat(client, conversation, this.#random() < 0.5 ? "server" : "client"));
  }

  #service({ conversation }: Pick<Seat, "conversation">): ExampleService {
    const service = this.#services.get(conversation);
    if (!service) throw new Error("There is no such conversation.");
    return service;
  }

  #place({ epoch, seq }: ExampleService): { epoch: string; seq: number } {
    return { epoch, seq };
  }

  #who({ client, user, conversation }: Seat): { client: string; user: string; conversation: string } {
    return { client, user, conversation };
  }

  #record(entry: Unplaced): void {
    this.#t += 1;
    this.#history.push((entry.kind === "run" ? entry : { ...entry, t: this.#t }) as Entry);
  }

  #name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  /** A whole number, both ends included. */
  #integer(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  #pick<T>(choices: readonly T[]): T | undefined {
    return choices[Math.floor(this.#random() * choices.length)];
  }
}
