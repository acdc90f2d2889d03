import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChatClientOptions, ChatError, type MessageInput } from "../../client/index.ts";
import type { Message } from "../../protocol/entities.ts";
import { Random } from "../simulation/random.ts";
import { TcpProxy } from "../stack/tcp-proxy.ts";
import { Device, NodePort } from "./device.ts";
import type { Recorder } from "./recorder.ts";

/** Postgres of the harness refuses every text with it, whatever else it says. */
export const POISON = "☠";

export interface CrowdOptions {
  recorder: Recorder;
  random: Random;
  /** Of the service on 127.0.0.1. */
  port: number;
  conversations: number;
  users: number;
  /** Users in each conversation. */
  participants: number;
  /** Pause between two bursts of one device in one conversation, on average, milliseconds. */
  pauseMs: number;
  pace?: ChatClientOptions["pace"];
  /** Whether some messages are such that Postgres refuses them. */
  isPoisonous?: boolean;
  /** Whether everybody only sends, edits and deletes: nothing that needs Postgres at once. */
  isSimple?: boolean;
}

/** One place of a user: a device there may be replaced, its way to the service stays. */
export interface Seat {
  user: string;
  name: string;
  device: Device<NodePort>;
  proxy: TcpProxy;
  url: string;
  /** How often its tab was opened. */
  tabs: number;
}

/** A conversation of the run, and who is to take part in it. */
export interface Talk {
  id: string;
  /** Creates it and changes its participants. */
  owner: Seat;
  users: string[];
  /** Is removed and added all the time. */
  guest: string;
  /** The guest takes part now, as far as its owner knows. */
  hasGuest: boolean;
  /** It was deleted: nobody takes part any more. */
  isEnded: boolean;
  /** Newest id that anybody here had acknowledged. */
  head: number;
  poison: number;
}

/** Sends of one device in one conversation that may be without an answer. */
const MAX_OPEN = 60;
const SENTENCES = [
  "내일 몇 시에 만날까요?",
  "김밥을 샀어요 🍙",
  "Running late, start without me",
  "👨‍👩‍👧‍👦 가족 여행 사진입니다",
  "회의록을 정리해서 올렸습니다. 확인 부탁드려요.",
  "e\u0301 and é look alike",
  "좋아요 👍🏽",
  "오늘은 여기까지 하죠",
];

/** Users with their devices, who send, edit, delete, read, come and go all the time. */
export class Crowd {
  readonly seats: Seat[] = [];
  readonly talks: Talk[] = [];
  acknowledged = 0;
  readonly #options: CrowdOptions;
  readonly #loops: Promise<void>[] = [];
  #isActive = true;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  /** Creates users, conversations and devices, and starts them all. */
  async start(): Promise<void> {
    const { conversations, users, participants, random, recorder, isSimple } = this.#options;
    const people = Array.from({ length: users }, () => randomUUID());
    for (const [index, user] of people.entries()) {
      const name = recorder.name("u", user);
      await this.#seat(user, `${name}.a`);
      if (index % 2 === 0) await this.#seat(user, `${name}.b`);
    }
    for (let index = 0; index < conversations; index += 1) {
      const members = Array.from({ length: participants }, (_, n) => people[(index + n) % users] ?? "");
      const owner = this.seats.find(({ user }) => user === members[0]);
      if (!owner) throw new Error("A conversation has no owner.");
      const { id } = await owner.device.port.api.createConversation({
        type: "group",
        title: `대화 ${index + 1}`,
        participant_ids: members.slice(1),
      });
      const guest = members.at(-1) ?? "";
      this.talks.push({
        id,
        owner,
        users: members,
        guest,
        hasGuest: true,
        isEnded: false,
        head: 0,
        poison: 0,
      });
    }
    for (const seat of this.seats) {
      for (const talk of this.talksOf(seat)) {
        await seat.device.port.join(talk.id);
        this.#loops.push(this.#speak(seat, talk, random.fork()));
      }
      if (isSimple) continue;
      this.#loops.push(this.#read(seat, random.fork()));
      if (seat.name.endsWith("b")) this.#loops.push(this.#reopen(seat, random.fork()));
    }
    if (isSimple) return;
    for (const talk of this.talks) this.#loops.push(this.#govern(talk, random.fork()));
  }

  /** The conversations this seat's user takes part in, now or at times. */
  talksOf({ user }: Seat): Talk[] {
    return this.talks.filter(({ users }) => users.includes(user));
  }

  /** Nobody begins anything more. Resolves when the last loop has noticed; what was sent may still be unanswered. */
  async hush(): Promise<void> {
    this.#isActive = false;
    await Promise.all(this.#loops);
  }

  async close(): Promise<void> {
    this.#isActive = false;
    for (const { device, proxy } of this.seats) {
      await device.port.close();
      await proxy.close();
    }
  }

  /** Makes the guest take part or not, for good, however often it has to be asked for. */
  async settleGuest(talk: Talk, isIn: boolean): Promise<void> {
    while (!(await this.#changeGuest(talk, isIn))) await sleep(200);
    for (const seat of this.seats) {
      const isShut = seat.user === talk.guest && (await seat.device.port.status(talk.id)) === "closed";
      if (isIn && isShut) await this.#comeBack(seat, talk);
    }
  }

  /** Deletes a conversation while everybody talks in it. */
  async end(talk: Talk): Promise<void> {
    talk.isEnded = true;
    const { device } = talk.owner;
    const { id: conversation } = talk;
    const { api } = device.port;
    for (;;) {
      if (await device.change({ op: "end", conversation }, () => api.deleteConversation(conversation)))
        return;
      // An attempt that nobody answered may have done it.
      const isGone = await api.getConversation(conversation).then(
        () => false,
        (error: unknown) => error instanceof ChatError && error.code === "CONVERSATION_NOT_FOUND",
      );
      if (isGone) return;
      await sleep(200);
    }
  }

  /** Another device of somebody, which only looks. Resolves when it is live everywhere. */
  async openTab(user: string): Promise<void> {
    await this.#seat(user, `${this.#options.recorder.name("u", user)}.late`);
    const seat = this.seats.at(-1);
    if (!seat) return;
    const { port } = seat.device;
    for (const { id } of this.talksOf(seat)) await port.join(id);
    for (const { id } of this.talksOf(seat)) while ((await port.status(id)) !== "live") await sleep(20);
  }

  async #seat(user: string, name: string): Promise<void> {
    const proxy = new TcpProxy(this.#options.port);
    const url = `http://127.0.0.1:${await proxy.listen()}`;
    this.seats.push({ user, name, proxy, url, tabs: 1, device: this.#open(user, name, url) });
  }

  #open(user: string, name: string, url: string): Device<NodePort> {
    const { recorder, pace } = this.#options;
    const port = new NodePort(recorder, { client: name, user }, { url, ...(pace ? { pace } : {}) });
    return new Device(recorder, name, user, port);
  }

  /** Single messages and bursts, and what follows from them. */
  async #speak(seat: Seat, talk: Talk, seed: number): Promise<void> {
    const random = new Random(seed);
    let own: Message[] = [];
    while (this.#isActive) {
      const { device } = seat;
      const status = await device.port.status(talk.id);
      if (status === "closed" && random.chance(0.3)) await this.#comeBack(seat, talk);
      const isOpen = device.openIn(talk.id) < MAX_OPEN && (status !== "closed" || random.chance(0.05));
      const burst = isOpen ? (random.chance(0.2) ? random.integer(2, 20) : 1) : 0;
      for (let sent = 0; sent < burst; sent += 1) {
        void this.#say(device, talk, random).then((message) => {
          if (message) own = [...own.slice(-9), message];
        });
      }
      // Also while nothing is answered, so that edits are under way when a connection fails.
      const earlier = own.length > 0 && isOpen && random.chance(0.08) ? random.pick(own) : null;
      // By the device that sent it: two devices that edit at the same time settle nothing.
      if (earlier?.temp_id?.startsWith(`${device.name}-`)) void this.#edit(device, talk, earlier.id, random);
      await sleep(this.#options.pauseMs * random.next() * 2);
    }
  }

  /** @returns the message, when it was acknowledged and may be edited */
  async #say(device: Device<NodePort>, talk: Talk, random: Random): Promise<Message | null> {
    const replyTo = talk.head > 0 && random.chance(0.1) ? random.integer(1, talk.head) : null;
    const isPoison = this.#options.isPoisonous === true && talk.poison === 0 && random.chance(0.001);
    if (isPoison) talk.poison += 1;
    const body = isPoison ? { text: `${POISON} ${random.next()}` } : this.#body(random);
    const message = await device.send(talk.id, body, replyTo);
    if (!message) return null;
    this.acknowledged += 1;
    talk.head = Math.max(talk.head, message.id);
    if (!this.#isActive || isPoison) return null;
    if (random.chance(0.03)) void this.#edit(device, talk, message.id, random);
    // One right behind the other.
    if (random.chance(0.01)) void device.edit(talk.id, message.id, this.#body(random));
    if (random.chance(0.03)) void device.delete(talk.id, message.id);
    // Owners delete what others said, too, while those may be editing it.
    if (device === talk.owner.device && random.chance(0.02))
      void device.delete(talk.id, random.integer(1, talk.head));
    return message;
  }

  /** Edits, and more than once edits again what the edit before has left. */
  async #edit(device: Device<NodePort>, talk: Talk, id: number, random: Random): Promise<void> {
    do {
      if (!(await device.edit(talk.id, id, this.#body(random)))) return;
    } while (this.#isActive && random.chance(0.4));
  }

  #body(random: Random): MessageInput {
    const text = `${random.pick(SENTENCES)} ${random.next().toString(36).slice(2)}`;
    if (random.chance(0.01)) return { text: text.repeat(random.integer(10, 80)) };
    if (random.chance(0.05)) return { data: { 이름: random.next(), b: [1, { y: null, x: "😀" }], a: true } };
    return { text };
  }

  /** Somebody removed tries to come back: in vain, or because they were added again. */
  async #comeBack({ device }: Seat, talk: Talk): Promise<void> {
    await device.port.leave(talk.id);
    await device.port.join(talk.id);
  }

  /** Lists, pages and participants over REST; whoever was removed goes on asking. */
  async #read(seat: Seat, seed: number): Promise<void> {
    const random = new Random(seed);
    const talks = this.talksOf(seat);
    while (this.#isActive) {
      const { port } = seat.device;
      const { id, head } = random.pick(talks);
      const at = random.integer(1, Math.max(1, head));
      const limit = random.pick([1, 10, 50]);
      const ask = random.pick([
        () => port.api.listConversations(),
        () => port.api.getConversation(id),
        () => port.api.listParticipants(id),
        () => port.api.listMessages(id, { limit }),
        () => port.api.listMessages(id, { limit, before_id: at }),
        () => port.api.listMessages(id, { limit, after_id: at }),
        () => port.loadOlder(id),
      ]);
      await ask().catch(() => undefined);
      await sleep(500 * random.next() * 2);
    }
  }

  /** Closes the tab and opens another one, which knows nothing. */
  async #reopen(seat: Seat, seed: number): Promise<void> {
    const random = new Random(seed);
    for (let pauses = 1; this.#isActive; pauses += 1) {
      await sleep(250);
      if (pauses % 40 !== 0 || random.chance(0.3)) continue;
      await seat.device.close();
      seat.tabs += 1;
      const device = this.#open(seat.user, `${seat.name}${seat.tabs}`, seat.url);
      for (const { id } of this.talksOf(seat)) await device.port.join(id);
      seat.device = device;
    }
  }

  /** @returns whether it was acknowledged */
  async #changeGuest(talk: Talk, isIn: boolean): Promise<boolean> {
    const { device } = talk.owner;
    const { api } = device.port;
    const { id: conversation, guest: target } = talk;
    const done = isIn
      ? await device.change({ op: "add", conversation, target }, () =>
          api.addParticipants(conversation, [target]),
        )
      : await device.change({ op: "remove", conversation, target }, () =>
          api.removeParticipant(conversation, target).catch(unlessGone),
        );
    if (done) talk.hasGuest = isIn;
    return done;
  }

  /** Removes and adds the guest, and renames. */
  async #govern(talk: Talk, seed: number): Promise<void> {
    const random = new Random(seed);
    for (let titles = 0; this.#isActive && !talk.isEnded; ) {
      await sleep(3_000 * random.next());
      if (random.chance(0.3)) {
        const { id: conversation, owner } = talk;
        titles += 1;
        const title = `제목 ${titles}`;
        await owner.device.change({ op: "rename", conversation, title }, () =>
          owner.device.port.api.renameConversation(conversation, title),
        );
      } else await this.#changeGuest(talk, !talk.hasGuest);
    }
  }
}

/** Who is not there is removed: an earlier attempt did it, and this one made sure that everybody was told. */
function unlessGone(error: unknown): void {
  if (!(error instanceof ChatError) || error.code !== "NOT_FOUND") throw error;
}
