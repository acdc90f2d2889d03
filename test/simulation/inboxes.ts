import { InboxState } from "../../durable-objects/inbox-state.ts";
import { LEASE_MS, SILENCE_MS } from "../../durable-objects/presence.ts";
import type { InboxRpc, KnownState, Notice } from "../../durable-objects/rpc.ts";
import type { InboxEvent } from "../../protocol/frames.ts";
import type { Standing } from "../checker/history.ts";
import type { SimulatedObject } from "./object.ts";
import type { SimulatedPostgres } from "./postgres.ts";
import { START_MS, type World } from "./world.ts";

/** What is between the conversation and the inboxes. */
interface Network {
  /** Longest delay of a call, and of its answer, milliseconds. */
  latencyMs: number;
  /** Share of calls that never arrive, and of answers that do not. */
  loss: number;
}

const FAIR: Network = { latencyMs: 20, loss: 0 };

/** Time before the end of a lease at which it is renewed. */
const RENEWAL_MS = LEASE_MS / 3;
/** Longest time until what failed is tried again. */
const RETRY_MS = 10_000;
/** Until an inbox looks everything up once more after something died: 40 minutes, in a shorter world. */
const RECOVERY_MS = 30_000;

/** What all inboxes share. */
interface Surroundings {
  world: World;
  object: SimulatedObject;
  postgres: SimulatedPostgres;
  conversation: string;
  network: Network;
}

/** The open inboxes of all users, on a bad network that {@link heal} makes a good one. */
export class Inboxes {
  readonly #surroundings: Surroundings;
  readonly #inboxes: Map<string, Inbox>;
  #isHealed = false;
  /** Whether something may be lost that only looking everything up brings back. */
  #isLossy = false;
  #isEnded = false;
  /** Rounds of looking everything up that are still to come. */
  #due = 0;

  constructor(
    world: World,
    object: SimulatedObject,
    postgres: SimulatedPostgres,
    conversation: string,
    users: readonly string[],
  ) {
    const latencyMs = world.random.pick([5, 100, 1_000]);
    const network = { latencyMs, loss: world.random.pick([0, 0.05, 0.3]) };
    this.#surroundings = { world, object, postgres, conversation, network };
    this.#inboxes = new Map(users.map((user) => [user, new Inbox(this.#surroundings, user)]));
  }

  /** The inbox of a user, as the conversation reaches it. */
  of(user: string): Pick<InboxRpc, "notify"> {
    return {
      notify: (notice) =>
        overNetwork(this.#surroundings, async () => this.#of(user).notify(structuredClone(notice))),
    };
  }

  /** Whether nothing is under way from an inbox, and none has yet to look everything up. */
  get isQuiet(): boolean {
    return this.#due === 0 && [...this.#inboxes.values()].every(({ isQuiet }) => isQuiet);
  }

  /** Something died: what it had not told yet is made up for some time after the healing. */
  lose(): void {
    this.#isLossy = true;
    if (this.#isHealed) this.#lookUp();
  }

  /** The clock of the platform was set: alarms go off that are due by it. */
  setClock(): void {
    for (const inbox of this.#inboxes.values()) {
      if (inbox.isDue) this.#run(() => inbox.renew(), 1_000);
    }
  }

  /** The conversation was deleted, and does not try for ever to tell it. */
  end(): void {
    if (!this.#isEnded) this.lose();
    this.#isEnded = true;
  }

  heal(): void {
    this.#isHealed = true;
    Object.assign(this.#surroundings.network, FAIR);
    for (const inbox of this.#inboxes.values()) inbox.calmDown();
    if (this.#isLossy) this.#lookUp();
  }

  /** What the inbox of each user shows in the end, and what the conversation itself says to them then. */
  async dump(): Promise<void> {
    for (const inbox of this.#inboxes.values()) await inbox.dump();
  }

  #lookUp(): void {
    for (const inbox of this.#inboxes.values()) this.#run(() => inbox.renew(), RECOVERY_MS);
  }

  #run(work: () => Promise<void>, withinMs: number): void {
    const { world } = this.#surroundings;
    this.#due += 1;
    world.after(world.delay(0, withinMs), () => {
      void work().finally(() => {
        this.#due -= 1;
      });
    });
  }

  #of(user: string): Inbox {
    const inbox = this.#inboxes.get(user);
    if (!inbox) throw new Error(`There is no inbox of ${user}.`);
    return inbox;
  }
}

/** One user's inbox: the real state, and around it what `InboxCore` does for one conversation, without sockets. */
class Inbox {
  readonly #user: string;
  readonly #surroundings: Surroundings;
  readonly #state = new InboxState();
  /** Whether the conversation is to tell what happens. */
  #isFollowed = false;
  /** What makes the answer out of date when it is another by then; null when nothing is asked. */
  #asked: object | null = null;
  #isUnleased = false;
  #underWay = 0;
  #untilMs = 0;
  /** Whether it looks everything up more often than it must, as for another tab of its user. */
  #isBusy: boolean;
  /** What clients were told, by the events alone. */
  #shown: Standing | null = null;
  #total = 0;
  /** Since when, in the history, it has followed the conversation without having been told of a removal. */
  #since: number;

  constructor(surroundings: Surroundings, user: string) {
    this.#surroundings = surroundings;
    this.#user = user;
    const { world, object, postgres } = surroundings;
    this.#since = world.instant();
    this.#isBusy = world.random.chance(0.5);
    this.#untilMs = object.now + LEASE_MS;
    postgres.saveOnline(user, this.#untilMs);
    world.after(world.delay(0, 500), () => void this.#lease(null));
    this.#roundLater();
  }

  get isQuiet(): boolean {
    return this.#underWay === 0 && !this.#isUnleased;
  }

  /** Whether the lease ends soon, or a clock was set. */
  get isDue(): boolean {
    const leftMs = this.#untilMs - this.#surroundings.object.now;
    return leftMs <= RENEWAL_MS || leftMs > LEASE_MS;
  }

  /** From here on it does no more than it must. */
  calmDown(): void {
    this.#isBusy = false;
  }

  async notify({ state, presence }: Notice): Promise<{ online: boolean }> {
    if (state === "removed") {
      this.#remove();
      return { online: true };
    }
    if (state) {
      if (this.#isFollowed && !this.#state.isDoubtful(state)) this.#show(this.#state.tell(state, this.#user));
      else {
        this.#isFollowed = true;
        void this.#lease(null);
      }
    }
    this.#show(this.#state.tellPresence(presence));
    return { online: true };
  }

  /** Looks everything up once more, so that nothing that was missed stays missed. */
  async renew(): Promise<void> {
    const { object, postgres } = this.#surroundings;
    this.#untilMs = object.now + LEASE_MS;
    await this.#during(async () => {
      await postgres.request(() => postgres.saveOnline(this.#user, this.#untilMs));
      const isListed = await postgres.request(() => postgres.isMember(this.#user));
      if (isListed !== (this.#known() !== null)) await this.#refresh();
    }).catch(() => undefined);
    // What was asked with the old lease would be answered with it.
    const isWanted = this.#isFollowed || this.#isUnleased || this.#asked !== null;
    if (isWanted) await this.#lease(this.#known());
  }

  async dump(): Promise<void> {
    const { world, object, conversation } = this.#surroundings;
    const user = this.#user;
    const summary = await object.call((core) => core.summary(user)).catch(() => null);
    const own: Standing | null = summary?.ok
      ? {
          head: summary.value.last_message_id,
          last_read_id: summary.value.me.last_read_id,
          unread: summary.value.me.unread_count,
        }
      : null;
    world.record({ kind: "listed", user, conversation, shown: this.#shown, own, total: this.#total });
  }

  async #refresh(): Promise<void> {
    const { postgres } = this.#surroundings;
    const isAnswered = this.#ask();
    const isMember = await postgres.request(() => postgres.isMember(this.#user));
    if (!isAnswered()) return;
    if (!isMember) return this.#remove();
    this.#isFollowed = true;
    await this.#lease(null);
  }

  /** Has the conversation tell this inbox what happens, and tells what it did not know of it. */
  async #lease(known: KnownState | null): Promise<void> {
    const { object, world } = this.#surroundings;
    const lease = { turn: START_MS, untilMs: this.#untilMs };
    const isAnswered = this.#ask();
    const answer = await this.#during(() =>
      overNetwork(this.#surroundings, () => object.call((core) => core.lease(this.#user, lease, known))),
    ).catch(() => null);
    if (!isAnswered()) return;
    if (!answer || (!answer.ok && answer.error.code !== "CONVERSATION_NOT_FOUND")) {
      this.#isUnleased = true;
      world.after(world.delay(0, RETRY_MS), () => {
        if (this.#isUnleased) void this.#lease(null);
      });
      return;
    }
    this.#isUnleased = false;
    if (!answer.ok) return this.#remove();
    this.#isFollowed = true;
    const { epoch, seq, conversation, presence } = answer.value;
    if (conversation) this.#show(this.#state.tell({ epoch, seq, conversation }, this.#user));
    this.#show(this.#state.tellPresence(presence));
  }

  #remove(): void {
    this.#asked = null;
    this.#isUnleased = false;
    this.#isFollowed = false;
    this.#since = this.#surroundings.world.instant();
    this.#show(this.#state.remove(this.#surroundings.conversation));
  }

  #known(): KnownState | null {
    const known = this.#state.get(this.#surroundings.conversation);
    return known ? { seq: known.seq, last_read_id: known.lastReadId, unread_count: known.unreadCount } : null;
  }

  /** What goes out to the user's clients, in the moment it does. */
  #show(events: readonly InboxEvent[]): void {
    for (const event of events) {
      switch (event.type) {
        case "conversation.added":
        case "conversation.updated":
          this.#tell(event.conversation);
          break;
        case "conversation.removed":
          this.#shown = null;
          break;
        case "unread.updated":
          this.#total = event.total;
          break;
        default:
        // Of people, and not of the conversation.
      }
    }
  }

  #tell({ last_message_id: head, me }: Extract<InboxEvent, { conversation: object }>["conversation"]): void {
    const { world, conversation } = this.#surroundings;
    this.#shown = { head, last_read_id: me.last_read_id, unread: me.unread_count };
    world.record({
      kind: "count",
      at: "server",
      asked: this.#since,
      client: `${this.#user}-inbox`,
      user: this.#user,
      conversation,
      via: "inbox",
      seq: this.#known()?.seq ?? null,
      ...this.#shown,
    });
  }

  #roundLater(): void {
    const { world } = this.#surroundings;
    world.after(world.delay(1_000, SILENCE_MS), () => {
      this.#roundLater();
      if (this.isDue || (this.#isBusy && world.random.chance(0.3))) void this.renew();
    });
  }

  /** @returns whether the answer to what is asked now still counts when it comes */
  #ask(): () => boolean {
    const token = {};
    this.#asked = token;
    return () => {
      const isCurrent = this.#asked === token;
      if (isCurrent) this.#asked = null;
      return isCurrent;
    };
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
    }
  }
}

/** A call and its answer, either of which may be lost, and each of which takes its time. */
async function overNetwork<T>({ world, network }: Surroundings, call: () => Promise<T>): Promise<T> {
  const travel = async (): Promise<void> => {
    const { latencyMs, loss } = network;
    const isLost = world.random.chance(loss);
    await world.pause(world.delay(latencyMs / 10, latencyMs));
    if (isLost) throw new TypeError("The network is unreachable.");
  };
  await travel();
  const answer = await call();
  await travel();
  return answer;
}
